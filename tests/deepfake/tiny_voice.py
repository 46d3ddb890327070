"""A voice of random weights, laid out as the hub lays out VITS."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer

LETTERS = " abcdefghijklmnopqrstuvwxyz'"


def save_tiny_voice(folder: Path, **shape: Any) -> Path:
    """Write model and tokenizer, which reads small letters and knows no digit."""
    folder.mkdir()
    vocabulary = {letter: number for number, letter in enumerate(LETTERS)}
    (folder / "letters.json").write_text(json.dumps({**vocabulary, "<pad>": len(LETTERS), "<unk>": len(LETTERS) + 1}))
    tokenizer = VitsTokenizer(str(folder / "letters.json"), normalize=True, phonemize=False, is_uroman=False)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = VitsConfig(
        vocab_size=len(LETTERS) + 2,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=9,
        prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        wavenet_dilation_rate=1,
        duration_predictor_num_flows=1,
        depth_separable_num_layers=1,
        upsample_initial_channel=16,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        sampling_rate=22_050,
        **shape,
    )
    VitsModel(config).save_pretrained(folder)
    return folder
