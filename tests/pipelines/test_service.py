import pytest

from stepiq.pipelines.service import slug_of


class TestSlugOf:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Daily digest", "daily-digest"),
            ("  Émigré -- Œuvre!  ", "emigre-uvre"),
            ("日本語", "pipeline"),
            ("a" * 100, "a" * 60),
            ("a" * 59 + " b", "a" * 59),
        ],
    )
    def test_it_keeps_letters_and_digits_and_joins_them_with_dashes(self, name, slug):
        assert slug_of(name) == slug
