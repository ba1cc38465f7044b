// Runs in each page that bench/ui.py measures, before the scripts of the page. Times are milliseconds since navigation.
globalThis.probe = {
  times: {},

  /** Record when the first element that matches is on the screen. */
  watch(name, selector) {
    const look = () => {
      if (document.querySelector(selector) === null) return;
      observer.disconnect();
      probe.painted((time) => {
        probe.times[name] = time;
      });
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true, attributes: true });
    look();
  },

  /** Call back after the next frame is painted. */
  painted(callback) {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => callback(performance.now());
      channel.port2.postMessage(null);
    });
  },

  /** Record when each row of the tree is first shown as completed, in milliseconds since 1970, by the row's text. */
  watchCompleted() {
    const seen = new Map();
    const look = () => {
      const found = [];
      for (const row of document.querySelectorAll("[role=treeitem]")) {
        const name = row.querySelector("[role=img] + span")?.textContent;
        if (name !== undefined && !seen.has(name) && row.querySelector("[aria-label=completed]")) {
          seen.set(name, null);
          found.push(name);
        }
      }
      if (found.length === 0) return;
      probe.painted((time) => {
        for (const name of found) seen.set(name, performance.timeOrigin + time);
      });
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true });
    look();
    probe.completed = seen;
  },

  /** Do something in each frame for some seconds. Returns the frames' durations, and the largest number of rows. */
  async frames(seconds, action = () => {}) {
    const durations = [];
    let rows = 0;
    const end = performance.now() + seconds * 1000;
    let last = await new Promise(requestAnimationFrame);
    for (let frame = 0; performance.now() < end; frame++) {
      action(frame);
      const now = await new Promise(requestAnimationFrame);
      durations.push(now - last);
      last = now;
      rows = Math.max(rows, document.querySelectorAll("[role=treeitem]").length);
    }
    return { durations, rows };
  },
};
