"""Conformer blocks with temporal-channel modelling of their heads (Truong et al., Interspeech 2024).

The Conformer is that of Gulati et al. (Interspeech 2020) without relative positions, as in the detectors that this one
follows. In its self-attention every head's channels, averaged over time, become a token of their own; the tokens join
the sequence, and what they have gathered is folded back into the class token.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeedForward(nn.Sequential):
    """Two layers with an expansion of four, after a layer norm."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )


class Convolution(nn.Module):
    """The Conformer's convolution module: gated pointwise, depthwise over time, normalised, pointwise.

    Args:
        dim: D.
        kernel: frames of the depthwise convolution, odd.
        dropout: on the output.
    """

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.gated = nn.Linear(dim, 2 * dim)  # a pointwise convolution where channels lie last
        # Over time as over the rows of an image one pixel wide, for which oneDNN has kernels several times as fast.
        self.depthwise = nn.Conv2d(dim, dim, (kernel, 1), padding=(kernel // 2, 0), groups=dim)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        y = F.glu(self.gated(self.norm(x)), dim=-1)  # (B, N, D)
        y = self.depthwise(y.transpose(1, 2)[..., None])  # (B, D, N, 1), channels last in memory
        y = y[..., 0].transpose(1, 2)  # (B, N, D)
        y = self.batch_norm(y.flatten(0, 1)).view_as(y)  # frames of all pieces alike: (B N, D)
        return self.dropout(self.pointwise(F.silu(y)))


class TemporalChannelAttention(nn.Module):
    """Self-attention over frames and the heads' channel tokens.

    Args:
        dim: D.
        heads: H, a divisor of D.
        dropout: on the output.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.token_projection = nn.Linear(dim // heads, dim)
        self.token_norm = nn.LayerNorm(dim)
        self.token_positions = nn.Parameter(torch.randn(1, heads, dim) * 0.02)
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1 + T, D), the class token first -> (B, 1 + T, D)."""
        batch, length, dim = x.shape
        x = self.norm(x)
        x = torch.cat([x, self.channel_tokens(x)], 1)  # (B, 1 + T + H, D)
        projected = self.queries_keys_values(x).view(batch, -1, 3, self.heads, dim // self.heads)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)  # each (B, H, 1 + T + H, D / H)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        mixed = self.output(mixed.transpose(1, 2).reshape(batch, -1, dim))
        frames, tokens = mixed[:, :length], mixed[:, length:]
        frames = torch.cat([frames[:, :1] + tokens.mean(1, keepdim=True), frames[:, 1:]], 1)
        return self.dropout(frames)

    def channel_tokens(self, x: Tensor) -> Tensor:
        """One token a head (B, H, D): its channels averaged over time, projected, normalised, given a position."""
        mean = x.mean(1).view(x.shape[0], self.heads, -1)  # (B, H, D / H)
        return F.gelu(self.token_norm(self.token_projection(mean))) + self.token_positions


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, the other half; a layer norm at the end.

    Args:
        dim: D.
        heads: H.
        kernel: frames of the convolution.
        dropout: of every part.
    """

    def __init__(self, dim: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.first = FeedForward(dim, dropout)
        self.attention = TemporalChannelAttention(dim, heads, dropout)
        self.convolution = Convolution(dim, kernel, dropout)
        self.second = FeedForward(dim, dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1 + T, D), the class token first -> (B, 1 + T, D)."""
        x = x + 0.5 * self.first(x)
        x = x + self.attention(x)
        x = x + self.convolution(x)
        x = x + 0.5 * self.second(x)
        return self.norm(x)
