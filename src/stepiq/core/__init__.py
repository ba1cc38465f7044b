"""What every part may use: settings, errors, ids, time, logs, JSON, encryption, HTTP."""
