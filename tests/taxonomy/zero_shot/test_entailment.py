import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.zero_shot.entailment import open_cross_encoder, pair_scorer


@pytest.fixture(scope="module")
def nli_folder(encoder_folder, tmp_path_factory):
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("nli")
    AutoTokenizer.from_pretrained(encoder_folder).save_pretrained(folder)
    torch.manual_seed(1)
    labels = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}
    config = BertConfig.from_pretrained(encoder_folder, id2label=labels, initializer_range=0.5)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_pairs_are_scored_by_the_softmax_of_the_entailment_label(nli_folder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, label = open_cross_encoder(str(nli_folder), 32, "cpu")
    assert label == 2
    pairs = [("a red fox", "this is a fox"), ("b", "this text is about tea and more"), ("long " * 40, "c")]
    scores = pair_scorer(model, label, 2, ["cpu"])(pairs)
    tokenizer = AutoTokenizer.from_pretrained(nli_folder)
    plain = AutoModelForSequenceClassification.from_pretrained(nli_folder).eval()
    for pair, score in zip(pairs, scores, strict=True):
        tokens = tokenizer(*pair, truncation=True, max_length=32, return_tensors="pt")
        with torch.no_grad():
            expected = plain(**tokens).logits.softmax(-1)[0, 2]
        assert score == pytest.approx(float(expected), abs=1e-5)


def test_a_model_without_an_entailment_label_is_named(nli_folder, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(nli_folder)
    model.config.id2label, model.config.label2id = {0: "yes", 1: "no", 2: "may"}, {"yes": 0, "no": 1, "may": 2}
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(nli_folder).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="none of its labels is `entailment`: yes, no, may"):
        open_cross_encoder(str(tmp_path), 32, "cpu")


def test_a_model_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match="neither a folder nor a model that the hub gives") as error:
        open_cross_encoder(str(tmp_path / "none"), 32, "cpu")
    assert "\n" not in str(error.value)
