"""Which files of a listing are wanted, which sources have the same ones, and which failure is told. No network."""

import pytest

from autoglm_desktop.core.catalog import SAFETENSORS
from autoglm_desktop.core.downloads import Copy
from autoglm_desktop.core.errors import TransferError
from autoglm_desktop.core.repository import Listing, Offer, RemoteFile
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases import pull_find
from autoglm_desktop.usecases.pull_choose import SeveralVariants, _agree, choose, differ, projector_of, same
from autoglm_desktop.usecases.pull_find import Candidate, Pinned, most_telling

A, B = "a" * 64, "b" * 64


def listing(*paths):
    return Listing("made", "made/repo", "c" * 40, tuple(RemoteFile(path, 100, A) for path in paths))


def chosen(variant, *paths, model=None, **more):
    offer = choose(Candidate("made/repo", ("made",), variant, **more), listing(*paths), model)
    return [file.path for file in offer.all_files]


def test_by_type_by_file_and_by_the_catalogues_file():
    paths = ("M-Q4_K_M.gguf", "M-UD-Q4_K_M.gguf", "sub/N-Q8_0.gguf", "README.md")
    assert chosen("q8_0", *paths) == ["sub/N-Q8_0.gguf"]
    assert chosen("N-Q8_0.gguf", *paths) == chosen("sub/N-Q8_0", *paths) == ["sub/N-Q8_0.gguf"]
    assert chosen("Q4_K_M", *paths) == ["M-Q4_K_M.gguf"]
    assert chosen("Q4_K_M", *paths, file="M-UD-Q4_K_M.gguf") == ["M-UD-Q4_K_M.gguf"]
    with pytest.raises(TransferError, match="variant_not_offered") as caught:
        chosen("Q2_K", *paths)
    assert "Q8_0" in caught.value.values["known"]


def test_of_several_files_of_one_type_the_plainest():
    assert chosen("Q4_K_M", "M-Q4_K_M.gguf", "M-imat-extra-Q4_K_M.gguf") == ["M-Q4_K_M.gguf"]


def test_a_repository_of_one_variant_comes_whole():
    paths = ("M-Q4_K_M.gguf", "mmproj-F16.gguf", "README.md")
    assert sorted(chosen(None, *paths)) == sorted(paths)
    with pytest.raises(SeveralVariants) as caught:
        chosen(None, "M-Q4_K_M.gguf", "M-Q8_0.gguf")
    assert caught.value.target == "made/repo"
    with pytest.raises(TransferError, match="nothing_to_run"):
        chosen(None, "README.md")


def test_gguf_goes_before_safetensors_where_none_is_named():
    weights = ("model.safetensors", "config.json", "M-Q4_K_M.gguf")
    assert choose(Candidate("made/repo", ()), listing(*weights), None).id == "Q4_K_M"
    assert chosen(SAFETENSORS, *weights) == ["config.json", "model.safetensors"]


def test_the_projector_that_the_catalogue_names_and_none_for_text_models():
    models = catalog.load()
    paths = ("M-Q4_K_M.gguf", "mmproj-F16.gguf", "special-mmproj-Q8_0.gguf")
    vision = models.model("autoglm-phone-9b")
    assert chosen("Q4_K_M", *paths, model=vision) == ["mmproj-F16.gguf", "M-Q4_K_M.gguf"]
    named = chosen("Q4_K_M", *paths, model=vision, projector="special-mmproj-Q8_0.gguf")
    assert named == ["special-mmproj-Q8_0.gguf", "M-Q4_K_M.gguf"]
    assert chosen("Q4_K_M", *paths, model=models.model("glm-4-9b-0414")) == ["M-Q4_K_M.gguf"]


def test_the_vision_part_of_a_repository_of_its_own():
    found = listing("a/mmproj-Q8_0.gguf", "mmproj-F16.gguf", "M-Q4_K_M.gguf")
    assert projector_of(found, None).path == "mmproj-F16.gguf"
    assert projector_of(found, "mmproj-Q8_0.gguf").path == "a/mmproj-Q8_0.gguf"
    assert projector_of(listing("M-Q4_K_M.gguf"), None) is None


@pytest.mark.parametrize(
    ("one", "other", "equal", "apart"),
    [
        (RemoteFile("x", 5, A), RemoteFile("x", 5, A), True, False),
        (RemoteFile("x", 5, A), RemoteFile("x", 5, B), False, True),
        (RemoteFile("x", 5, A), RemoteFile("x", 6, A), False, True),
        (RemoteFile("x", 5, A), RemoteFile("x", 5), False, False),
        (RemoteFile("x", None, A), RemoteFile("x", None, A), False, False),
        (RemoteFile("x", 5), RemoteFile("x", 5), False, False),
        (RemoteFile("x", 5, None, "1" * 40), RemoteFile("x", 5, None, "1" * 40), True, False),
        (RemoteFile("x", 5, None, "1" * 40), RemoteFile("x", 5, None, "2" * 40), False, True),
        (RemoteFile("x", 5, A), None, False, True),
    ],
)
def test_the_same_file_is_one_whose_size_and_hash_are_known_and_equal(one, other, equal, apart):
    assert (same(one, other), same(other, one)) == (equal, equal)
    assert (differ(one, other), differ(other, one)) == (apart, apart)


@pytest.mark.parametrize(
    ("commits", "theirs", "agree"), [("cc", B, False), ("cc", None, True), ("cd", None, False)]
)
def test_the_same_commit_stands_in_for_hashes_but_not_against_them(commits, theirs, agree):
    first, second = (
        Copy(name, "made/repo", commit * 40, (RemoteFile("x.gguf", 5, digest),))
        for name, commit, digest in (("one", commits[0], A), ("two", commits[1], theirs))
    )
    assert _agree(first, second, Offer("Q4_0", first.files)) is agree


def test_of_several_failures_the_most_helpful():
    def errors(*codes):
        return [TransferError(code) for code in codes]

    assert most_telling(errors("download_no_network", "download_not_found")).code == "download_not_found"
    assert most_telling(errors("listing_unreachable", "download_gated")).code == "download_gated"
    assert most_telling(errors("download_not_found", "nothing_to_run")).code == "nothing_to_run"
    assert most_telling(errors("download_not_found", "source_needs_https")).code == "source_needs_https"


def test_a_pinned_commit_holds_for_the_hub_and_its_mirror():
    pinned = Pinned("huggingface", "made/repo", "c" * 40)
    assert pinned.fits("huggingface", "made/repo") and pinned.fits("hf-mirror", "made/repo")
    assert not pinned.fits("modelscope", "made/repo") and not pinned.fits("huggingface", "made/other")


def test_one_repository_name_on_two_hubs_is_one_candidate():
    one = Candidate("Made/Repo", ("huggingface", "hf-mirror"), "Q4_0", "x.gguf")
    two = Candidate("made/repo", ("modelscope",), "Q4_0", None, "mmproj.gguf")
    (found,) = pull_find._one_per_repo([one, two])
    assert found.sources == ("huggingface", "hf-mirror", "modelscope")
    assert (found.repo, found.file, found.projector) == ("Made/Repo", "x.gguf", "mmproj.gguf")
