import torch
from torch.nn import functional as F

from reprise.deepfake.detector.conformer import ConformerBlock, Convolution, TemporalChannelAttention


def test_channel_tokens_are_each_heads_channels_over_time():
    torch.manual_seed(0)
    attention = TemporalChannelAttention(8, 2, 0.0).eval()
    x = torch.randn(3, 6, 8)
    tokens = attention.channel_tokens(x)
    assert tokens.shape == (3, 2, 8)
    for head in range(2):
        mean = x[:, :, 4 * head : 4 * head + 4].mean(1)
        expected = F.gelu(attention.token_norm(attention.token_projection(mean))) + attention.token_positions[0, head]
        assert torch.allclose(tokens[:, head], expected, atol=1e-6)


def test_attention_is_over_frames_and_tokens_and_folds_these_into_the_class_token():
    torch.manual_seed(0)
    attention = TemporalChannelAttention(8, 2, 0.0).eval()
    x = torch.randn(2, 5, 8)
    normed = attention.norm(x)
    sequence = torch.cat([normed, attention.channel_tokens(normed)], 1)  # (2, 7, 8)
    q, k, v = attention.queries_keys_values(sequence).chunk(3, -1)
    mixed = torch.zeros(2, 7, 8)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 2.0).softmax(-1)
        mixed[..., part] = weights @ v[..., part]
    mixed = attention.output(mixed)
    expected = mixed[:, :5].clone()
    expected[:, 0] += mixed[:, 5:].mean(1)
    assert torch.allclose(attention(x), expected, atol=1e-5)


def test_a_block_keeps_its_shape_and_has_the_kernel_it_was_given():
    block = ConformerBlock(16, 4, 7, 0.0)
    assert block(torch.randn(2, 9, 16)).shape == (2, 9, 16)
    assert block.convolution.depthwise.kernel_size == (7, 1)


def test_the_convolution_module_is_the_papers():
    """Gulati et al., figure 2: norm, pointwise, gate, depthwise over time, batch norm, swish, pointwise."""
    torch.manual_seed(0)
    module = Convolution(6, 5, 0.0)
    x = torch.randn(3, 9, 6)
    y = module.norm(x) @ module.gated.weight.T + module.gated.bias
    y = (y[..., :6] * y[..., 6:].sigmoid()).transpose(1, 2)  # (3, 6, 9)
    y = F.conv1d(y, module.depthwise.weight[..., 0], module.depthwise.bias, padding=2, groups=6)
    mean, variance = y.mean((0, 2), keepdim=True), y.var((0, 2), keepdim=True, correction=0)
    y = ((y - mean) / (variance + 1e-5).sqrt()).transpose(1, 2)
    expected = (y * y.sigmoid()) @ module.pointwise.weight.T + module.pointwise.bias
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)
    assert module.batch_norm.running_mean is not None
    assert torch.allclose(module.batch_norm.running_mean, 0.1 * mean.flatten(), atol=1e-6)
