"""The taxonomy task's export: the self-trained classifier, its encoder, and both as one ONNX graph."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.onnx.graphs import Agreement, Contents, Graph, Pretrained, timed
from reprise.onnx.session import ONNX
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.onnx_predictor import GRAPH, TOKENIZER, OnnxPredictor
from reprise.taxonomy.paths import ENCODER, SELF_TRAINED
from reprise.taxonomy.zero_shot.encoder import CHARACTERS_PER_TOKEN

EXAMPLE = """import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

about = json.load(open("onnx/prediction.json"))
tokenizer = Tokenizer.from_file("onnx/tokenizer.json")
tokenizer.enable_truncation(about["max_tokens"])
session = onnxruntime.InferenceSession("onnx/taxonomy.onnx")
tokens = tokenizer.encode("the ball head slips with a long lens")
given = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
taken = {each.name for each in session.get_inputs()}
inputs = {name: np.array([ids], np.int64) for name, ids in given.items() if name in taken}
probabilities, evidence = session.run(["probabilities", "evidence"], inputs)
names = [entry["name"] for entry in about["hierarchy"]["classes"]]
if evidence[0] < about["evidence_threshold"]:
    print("about none of the classes")
for index in np.argsort(-probabilities[0])[:5]:
    print(names[index], probabilities[0, index])
"""
COMMON_WORDS = "the a it is was good bad broke after two weeks and I would not buy again".split()  # noqa: SIM905


def contents(models: Path) -> Contents:
    """Gather what prediction needs.

    Raises:
        InputError: a file is missing or damaged, or the encoder has no tokenizer of the `tokenizers` library.
    """
    path = models / SELF_TRAINED.name
    predictor = Predictor(path, ["cpu"])
    folder = models / ENCODER.name
    encoder_files = {f"{ENCODER.name}/{name}": folder / name for name in predictor.encoder_files}
    tokenizer = folder / TOKENIZER
    return Contents(
        files={path.name: path, **encoder_files, **({f"{ONNX}/{TOKENIZER}": tokenizer} if tokenizer.is_file() else {})},
        recipe=predictor.recipe.model_dump(mode="json"),
        pretrained=pretrained_of(predictor, tuple(encoder_files)),
        graphs=lambda: [graph_of(predictor)],
        description=describe(predictor, tokenizer) if tokenizer.is_file() else {},
        agreement=lambda folder, count, seed: compare(predictor, folder, count, seed),
        onnx_input="the tokens of a text, by tokenizer.json; encoder, pooling and classifier are in the graph",
        onnx_example=EXAMPLE,
    )


def pretrained_of(predictor: Predictor, encoder_files: tuple[str, ...]) -> list[Pretrained]:
    """The text encoder, whose files stay apart where no layer of it was trained or tuned."""
    if predictor.recipe.weights == "none":
        return []
    trained = predictor.network.encoder is not None or predictor.encoder_tuned
    if trained or predictor.recipe.weights != "hub":
        return [Pretrained(predictor.recipe.encoder, "text encoder, trained further")]
    return [
        Pretrained(
            predictor.recipe.encoder, "text encoder, unchanged", separate=(*encoder_files, f"{ONNX}/{TOKENIZER}")
        )
    ]


def describe(predictor: Predictor, tokenizer: Path) -> dict[str, Any]:
    """The content of onnx/prediction.json.

    Raises:
        InputError: the encoder puts a prompt before texts, which prediction with ONNX does not.
    """
    encoder = predictor.encoder
    if encoder.default_prompt_name is not None:
        raise InputError(f"{predictor.encoder_folder}: the encoder has a default prompt, which ONNX prediction lacks")
    own: Any = encoder.tokenizer
    return {
        "task": "taxonomy",
        "hierarchy": predictor.hierarchy.to_dict(),
        "loss": predictor.recipe.loss,
        "evidence_threshold": predictor.evidence_threshold,
        "max_tokens": predictor.recipe.max_tokens,
        "max_characters": CHARACTERS_PER_TOKEN * predictor.recipe.max_tokens,
        "pad_id": int(own.pad_token_id or 0),
        "pad_type_id": int(own.pad_token_type_id),
        "tokenizer": hash_file(tokenizer),
    }


class ExportablePredictor(nn.Module):
    """Tokens to logits, probabilities and evidence.

    The classes' vectors do not depend on the text: they are computed once, and the graph network stays behind.

    Args:
        predictor: stays as it is.
    """

    matrix: Tensor
    bias: Tensor
    mean: Tensor
    names: Tensor | None
    leaves: Tensor
    above: Tensor

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.encoder, self.loss = predictor.encoder, predictor.recipe.loss
        classifier, hierarchy = predictor.network.classifier, predictor.hierarchy
        with torch.no_grad():
            classes = classifier.class_vectors()  # (C, F)
            self.register_buffer("matrix", (classes @ classifier.bilinear).T.contiguous())  # (D, C)
            self.register_buffer("bias", classes @ classifier.bias)  # (C,)
        self.register_buffer("mean", classifier.document_mean.clone())
        names = classifier.class_embeddings[hierarchy.leaves]  # (E, F)
        plain = predictor.network.encoder is None and names.shape[1] == len(classifier.document_mean)
        self.register_buffer("names", names.T.contiguous() if plain else None)  # as in `evidence_scores`
        self.register_buffer("leaves", torch.from_numpy(hierarchy.leaves))
        self.register_buffer("above", torch.from_numpy(hierarchy.closure[hierarchy.leaves]).float())  # (E, C)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens, each (B, T) int64 -> embeddings (B, D), logits (B, C), probabilities (B, C), evidence (B,)."""
        tokens = {"input_ids": input_ids, "attention_mask": attention_mask}
        features = self.encoder(tokens if token_type_ids is None else {**tokens, "token_type_ids": token_type_ids})
        embeddings = nn.functional.normalize(features["sentence_embedding"], dim=-1)
        logits = nn.functional.normalize(embeddings - self.mean, dim=-1) @ self.matrix + self.bias
        ends = logits.index_select(1, self.leaves)  # (B, E)
        evidence = (ends if self.names is None else embeddings @ self.names).amax(1)
        if self.loss == "bce":
            return embeddings, logits, logits.sigmoid(), evidence
        return embeddings, logits, (ends.softmax(-1) @ self.above).clamp(max=1.0), evidence


def graph_of(predictor: Predictor) -> Graph:
    """The graph of tokens.

    Raises:
        InputError: the encoder has no tokenizer of the `tokenizers` library.
    """
    if not (predictor.encoder_folder / TOKENIZER).is_file():
        raise InputError(f"{predictor.encoder_folder}: no {TOKENIZER}, which prediction without torch needs")
    features = predictor.encoder.preprocess(["a text", "another text, and a longer one"])
    known = ("input_ids", "attention_mask", "token_type_ids")
    inputs = {name: features[name] for name in known if isinstance(features.get(name), Tensor)}
    most = predictor.recipe.max_tokens
    return Graph(
        name=GRAPH,
        module=ExportablePredictor(predictor),
        inputs=inputs,
        dynamic={name: {0: ("batch", 1, None), 1: ("tokens", 1, most)} for name in inputs},
        outputs=["text_embeddings", "logits", "probabilities", "evidence"],  # `embedding` is a name inside the graph
    )


def compare(predictor: Predictor, folder: Path, count: int, seed: int) -> Agreement:
    """Compare the ONNX graph of a folder with torch on texts of the classes' words."""
    texts = random_texts(predictor.hierarchy, count, seed)

    def by_torch() -> tuple[np.ndarray, np.ndarray]:
        embeddings = predictor.embed(texts, "random", cache=False)
        logits = predictor.logits(embeddings)
        return predictor.probabilities(logits), predictor.evidence(embeddings, logits)

    onnx = OnnxPredictor(folder, threads=1)

    def by_onnx() -> tuple[np.ndarray, np.ndarray]:
        logits, evidence = onnx.logits_and_evidence(texts)
        return onnx.probabilities(logits), evidence

    expected, torch_seconds = timed(by_torch)
    found, onnx_seconds = timed(by_onnx)
    difference = max(float(np.abs(left - right).max()) for left, right in zip(expected, found, strict=True))
    return Agreement(count, difference, torch_seconds, onnx_seconds)


def random_texts(hierarchy: Hierarchy, count: int, seed: int) -> list[str]:
    """Texts of 1 to 400 words out of the classes' names and a few others."""
    generator = np.random.default_rng(seed)
    words = sorted({word for name in hierarchy.names for word in name.split()})
    words += COMMON_WORDS
    lengths = np.exp(generator.uniform(0, np.log(400), count)).astype(int)
    return [" ".join(generator.choice(words, length)) for length in lengths]
