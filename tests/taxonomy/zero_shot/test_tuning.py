import numpy as np
import pytest
import torch

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot import tuning
from reprise.taxonomy.zero_shot.encoder import embed, open_encoder
from reprise.taxonomy.zero_shot.tuning import (
    CLASSES_PER_BATCH,
    SCALE,
    Examples,
    Tuning,
    apply_tuning,
    collect_examples,
    contrast,
    draw_batches,
    embed_batch,
    share_a_text,
    tune_on_examples,
    tune_once,
    worth_tuning,
)

EXAMPLES = [
    Examples(["tea", "drink: tea"], [], ["a green cup", "the kettle boils", "leaves in water"]),
    Examples(["ball", "sport: ball"], [], ["we kick it far", "a red round thing", "he threw it"]),
    Examples(["tax"], [], ["forms and money", "the office wants it", "pay by april"]),
]
TUNING = Tuning(layers=1, epochs=12, lr=2e-3)


def test_examples_are_keywords_and_the_documents_of_one_leaf_class():
    keywords = (("cup",), (), ("it is white", "cow"))
    hierarchy = Hierarchy(("a", "b", "c"), ("drinks", "tea", "milk"), keywords, ((0, 1), (0, 2)))
    seeds = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]], dtype=bool)
    texts = [["drinks"], ["tea"], ["milk"]]
    assert collect_examples(hierarchy, texts, list("uvwxyz"), seeds) == [
        Examples(["tea"], [], ["u", "v"]),
        Examples(["milk"], ["it is white", "cow"], ["z"]),
    ]


def test_the_contrast_is_that_of_its_definition():
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.nn.functional.normalize(torch.randn(4, 6, generator=generator), dim=1) for _ in range(2))
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[1, 3] = ignored[3, 1] = True
    total = 0.0
    for one, other in ((first, second), (second, first)):
        for row in range(4):
            rivals = [candidate for candidate in range(4) if not ignored[row, candidate]]
            likelihoods = {rival: float(torch.exp(SCALE * one[row] @ other[rival])) for rival in rivals}
            total -= np.log(likelihoods[row] / sum(likelihoods.values())) / 8
    assert float(contrast(first, second, ignored)) == pytest.approx(total, rel=1e-5)


def test_classes_that_share_a_text_are_not_told_apart():
    pairs = [("other", "a"), ("tea", "b"), ("c", "other"), ("b", "tea")]
    assert share_a_text(pairs).tolist() == [
        [False, False, True, False],
        [False, False, False, True],
        [True, False, False, False],
        [False, True, False, False],
    ]


@pytest.mark.parametrize(
    ("share", "seeded", "worth"),
    [(0.5, 2, True), (0.5, 1, False), (0, 0, True), (0.5, 0, False), (1, 3, True), (1, 2, False), (None, 3, False)],
)
def test_enough_classes_have_documents_or_the_encoder_stays(share, seeded, worth):
    examples = [Examples([name], ["keyword"], ["text"] if index < seeded else []) for index, name in enumerate("abc")]
    assert worth_tuning(examples, share) == worth


def test_a_single_class_is_told_from_nothing():
    assert not worth_tuning(EXAMPLES[:1], 0)


def test_an_epoch_has_a_pair_of_every_class_and_no_text_twice_in_it():
    many = [Examples([f"name {index}"], [f"{index} a"], [f"{index} b"]) for index in range(CLASSES_PER_BATCH + 3)]
    batches = draw_batches(many, seed=1)
    assert [len(batch) for batch in batches] == [CLASSES_PER_BATCH, 3]
    pairs = [pair for batch in batches for pair in batch]
    numbers = [[int(next(word for word in text.split() if word.isdigit())) for text in pair] for pair in pairs]
    assert sorted(one for one, _ in numbers) == list(range(len(many)))
    assert all(one == other for one, other in numbers)
    assert all(first != second for first, second in pairs)
    assert draw_batches(many, seed=1) == batches != draw_batches(many, seed=2)


def test_texts_of_a_class_come_closer_than_those_of_others(encoder_folder):
    encoder = open_encoder(str(encoder_folder), 16)
    texts = [text for own in EXAMPLES for text in own.documents]
    classes = np.repeat(np.arange(3), 3)
    same = classes[:, None] == classes

    def contrast_of_cosines() -> float:
        rows = embed(encoder, texts, 4, ["cpu"], "test", cache=False)
        cosines = rows @ rows.T
        return float(cosines[same].mean() - cosines[~same].mean())

    before = contrast_of_cosines()
    tune_on_examples(encoder, EXAMPLES, Tuning(layers=-1, epochs=60, lr=5e-3), seed=1)
    assert contrast_of_cosines() > before + 0.1


def test_only_the_last_layers_change_and_a_seed_gives_the_same_bytes(encoder_folder):
    encoder, again = open_encoder(str(encoder_folder), 16), open_encoder(str(encoder_folder), 16)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    changed = tune_on_examples(encoder, EXAMPLES, TUNING, seed=1)
    assert changed
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in changed), name
    assert all(".layer.1." in name for name in changed)
    for name, tensor in tune_on_examples(again, EXAMPLES, TUNING, seed=1).items():
        assert torch.equal(tensor, changed[name])
    assert all(parameter.requires_grad for parameter in encoder.parameters()), "a recipe may train other layers later"


def test_a_tuning_is_kept_and_put_into_the_encoder_it_was_made_of(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder, second, third, other = (open_encoder(str(encoder_folder), length) for length in (16, 16, 16, 12))
    tune_once(encoder, EXAMPLES, TUNING, 1, tmp_path / "first.safetensors")
    cached = next((tmp_path / ".cache/tuning").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "tune_on_examples", None)  # may not be called again
        tune_once(second, EXAMPLES, TUNING, 1, tmp_path / "second.safetensors")
        with pytest.raises(TypeError):
            tune_once(third, EXAMPLES, TUNING, 2, tmp_path / "third.safetensors")
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()
    cached.write_bytes(b"damaged")
    tune_once(third, EXAMPLES, TUNING, 1, tmp_path / "third.safetensors")
    assert apply_tuning(other, tmp_path / "third.safetensors"), "the same weights; only where texts are cut differs"
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor)
        assert torch.equal(third.state_dict()[name], tensor)
        assert torch.equal(other.state_dict()[name], tensor)


def test_another_encoder_stays_as_it_is(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tune_once(open_encoder(str(encoder_folder), 16), EXAMPLES, TUNING, 1, tmp_path / "tuning.safetensors")
    other = open_encoder(str(encoder_folder), 16, random_weights=True)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    assert not apply_tuning(other, tmp_path / "tuning.safetensors")
    assert not apply_tuning(other, tmp_path / "nothing.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("prompt", [None, "query: "])
def test_texts_are_tuned_as_they_are_embedded(encoder_folder, prompt):
    encoder = open_encoder(str(encoder_folder), 16).eval()
    if prompt is not None:
        encoder.prompts, encoder.default_prompt_name = {"query": prompt}, "query"
    with torch.no_grad():
        rows = embed_batch(encoder, EXAMPLES[0].documents).numpy()
    np.testing.assert_allclose(rows, embed(encoder, EXAMPLES[0].documents, 4, ["cpu"], "test", cache=False), atol=1e-5)


def test_an_encoder_in_half_precision_learns_in_full_and_stays_as_small(encoder_folder):
    encoder, full = open_encoder(str(encoder_folder), 16).half(), open_encoder(str(encoder_folder), 16)
    half = tune_on_examples(encoder, EXAMPLES, TUNING, seed=1)
    for name, tensor in tune_on_examples(full, EXAMPLES, TUNING, seed=1).items():
        assert half[name].dtype == torch.float16
        assert encoder.state_dict()[name].dtype == torch.float16
        torch.testing.assert_close(half[name].float(), tensor, atol=5e-3, rtol=5e-2)


def test_a_learning_rate_that_is_too_high_is_named(encoder_folder):
    encoder = open_encoder(str(encoder_folder), 16)
    with pytest.raises(InputError, match=r"lower taxonomy\.similarity\.tuning_lr"):
        tune_on_examples(encoder, EXAMPLES, Tuning(layers=1, epochs=8, lr=1e30), seed=1)
