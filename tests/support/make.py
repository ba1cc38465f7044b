"""Creates valid rows with defaults that fit their state, with `make.user()`, `make.pipeline()`, and so on."""

from stepiq.store.database import Database
from tests.support.make_accounts import MakeAccounts
from tests.support.make_deliveries import MakeDeliveries
from tests.support.make_identities import MakeIdentities
from tests.support.make_pipelines import MakePipelines
from tests.support.make_reviews import MakeReviews
from tests.support.make_runs import MakeRuns
from tests.support.make_schedules import MakeSchedules
from tests.support.make_secrets import MakeSecrets
from tests.support.make_two_factor import MakeTwoFactor
from tests.support.make_usage import MakeUsage


class Make(
    MakeAccounts,
    MakePipelines,
    MakeRuns,
    MakeReviews,
    MakeSchedules,
    MakeSecrets,
    MakeTwoFactor,
    MakeUsage,
    MakeDeliveries,
    MakeIdentities,
):
    """All functions that create rows. Each part has a separate file."""

    def __init__(self, database: Database) -> None:
        self.database = database
