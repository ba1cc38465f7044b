from prometheus_client.parser import text_string_to_metric_families

from stepiq.core.observability import metrics
from stepiq.store.states import TargetType


class TestRender:
    def test_it_is_what_prometheus_reads(self):
        families = {
            family.name for family in text_string_to_metric_families(metrics.render().decode())
        }

        assert {"stepiq_build_info", "stepiq_runs_accepted", "process_open_fds"} <= families

    def test_every_metric_says_what_it_tells(self):
        assert all(metric.documentation.endswith(".") for metric in metrics.REGISTRY.collect())

    def test_no_label_names_a_tenant(self):
        labels = {
            label
            for metric in metrics.REGISTRY.collect()
            for sample in metric.samples
            for label in sample.labels
        }

        assert not {label for label in labels if label.endswith("_id") or "workspace" in label}

    def test_what_alerts_watch_grow_is_told_before_the_first(self):
        text = metrics.render().decode()

        assert '\nstepiq_schedule_ticks_total{result="missed"} ' in text
        assert '\nstepiq_tickets_in_hand{work="run"} ' in text
        assert "\nstepiq_tickets_taken_over_total " in text
        for target in TargetType:
            labels = f'result="failed",target="{target}"'
            assert f"\nstepiq_delivery_attempts_total{{{labels}}} " in text
