#!/usr/bin/env python3
"""Writes goldens/vision: vision transformers of the `transformers` library, and what they compute on the same images and masks.

Usage: scripts/goldens/vision.py [FOLDER]       (needs the Python packages torch, transformers, safetensors)

`vit-mae` (ViTMAEForPreTraining) and `vit-masked-image` (ViTForMaskedImageModeling) are what save_pretrained writes. `golden.json` of each:
the positions that each image shows or hides, and the loss. `expected.safetensors`: the images, and the gradient of every parameter that is
trained, under the names of the checkpoint. The arithmetic runs in doubles.
"""

import json
import pathlib
import re
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.pop(0)  # this folder, where another script would be taken for the library of its name

import safetensors.torch
import torch
import transformers
from transformers.models.vit_mae import modeling_vit_mae

FOLDER = HERE.parents[1] / "goldens" / "vision"
SAMPLES, CHANNELS, SIDE, PATCH = 3, 3, 12, 4
POSITIONS = (SIDE // PATCH) ** 2
COMMON = dict(
    hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=SIDE, patch_size=PATCH,
    num_channels=CHANNELS, layer_norm_eps=0.02, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
RENAMED = [
    (r"^vit\.layers\.", "vit.encoder.layer."), (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"), (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"), (r"mlp\.fc1", "intermediate.dense"), (r"mlp\.fc2", "output.dense"),
]  # fmt: skip


def stored_name(name):
    """The name in a checkpoint, which version 5 of the library changes when it loads one."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def randomize(model, seed):
    """Every trained parameter gets a value of its own; the fixed tables stay."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(torch.empty_like(parameter).uniform_(-0.3, 0.3, generator=random))
            if "norm" in name and name.endswith("weight"):
                parameter.data.add_(1)


def fill_tables(model):
    """The fixed tables as pretrained weights have them, columns before rows; a new model of some versions has zeros there."""
    for table in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
        width, side = table.shape[-1], SIDE // PATCH
        made = modeling_vit_mae.build_2d_sinusoidal_position_embedding(side, side, embed_dim=width, cls_token=True)
        table.data.copy_(torch.cat([made[:, width // 2 :], made[:, : width // 2]], dim=1)[None])


def write(folder, model, images, record, loss):
    loss.backward()
    tensors = {"images": images.float()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tensors["gradient." + stored_name(name)] = parameter.grad.contiguous()
    safetensors.torch.save_file(tensors, folder / "expected.safetensors")
    record |= {"samples": SAMPLES, "loss": loss.item()}
    (folder / "golden.json").write_text(json.dumps(record, indent=1) + "\n")
    print(folder.name, loss.item())


def save(folder, model):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    model.double().eval()


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    random = torch.Generator().manual_seed(41)
    images = torch.randn(SAMPLES, CHANNELS, SIDE, SIDE, generator=random).double()
    decoder = dict(
        decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=12
    )
    mae = transformers.ViTMAEForPreTraining(
        transformers.ViTMAEConfig(**COMMON, **decoder, mask_ratio=0.6, norm_pix_loss=True)
    )
    randomize(mae, 42)
    fill_tables(mae)
    save(folder / "vit-mae", mae)
    noise = torch.rand(SAMPLES, POSITIONS, generator=random).double()
    output = mae(pixel_values=images, noise=noise)
    visible = [[i for i in range(POSITIONS) if row[i] == 0] for row in output.mask.tolist()]
    write(folder / "vit-mae", mae, images, {"visible": visible}, output.loss)

    simmim = transformers.ViTForMaskedImageModeling(transformers.ViTConfig(**COMMON, encoder_stride=PATCH))
    randomize(simmim, 43)
    save(folder / "vit-masked-image", simmim)
    hidden = torch.rand(SAMPLES, POSITIONS, generator=random) < 0.5
    output = simmim(pixel_values=images, bool_masked_pos=hidden)
    positions = [[i for i in range(POSITIONS) if row[i]] for row in hidden.tolist()]
    write(folder / "vit-masked-image", simmim, images, {"hidden": positions}, output.loss)


if __name__ == "__main__":
    main()
