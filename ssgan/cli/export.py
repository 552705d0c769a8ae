"""``ssgan export``: the finished classifier as one file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ssgan.cli.model_option import METRICS, MetricsOption, ModelOption, model_folder


class FormatName(StrEnum):
    """What ``--format`` takes; the keys of ssgan.exporting.FORMATS, without loading torch."""

    onnx = "onnx"
    torch_export = "torch-export"
    safetensors = "safetensors"


def export(
    format: Annotated[FormatName, typer.Option(help="onnx, torch-export or safetensors.")],
    model: ModelOption = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: runs/export/model and the suffix.")] = None,
    metrics: MetricsOption = METRICS,
    images: Annotated[Path, typer.Option(help="Images that the file is checked on.")] = Path("data/splits/val"),
    uncalibrated: Annotated[bool, typer.Option("--uncalibrated", help="Allow a model that was not evaluated.")] = False,
    accept_license: Annotated[bool, typer.Option("--accept-license", help="You have read the backbone's license.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the classifier with temperature, threshold and class list inside, and check it against the model here.

    It takes decoded images, uint8 RGB (N, H, W, 3) of any size, and gives probabilities, label and abstain of the real
    classes only. A license of the backbone that restricts what the model may be used for has to be accepted; the file keeps
    who did, and when.
    """
    from ssgan.cli.promote import whoami
    from ssgan.exporting import Allowed, export_model, path_for

    to = path_for(format.value, out)
    if to.exists() and not overwrite:
        raise typer.BadParameter(f"{to} exists; add --overwrite, or name another file", param_hint="--out")
    allowed = Allowed(uncalibrated, whoami() if accept_license else None)
    done = export_model(format.value, model_folder(model, metrics), to, metrics, images, allowed)
    typer.echo(f"{done.path}: {done.published.model_id}, {done.bytes / 1e6:.1f} MB")
    if done.backbone:
        typer.echo(f"  backbone: {done.backbone.name}, license {done.backbone.license}")
    typer.echo(f"  probabilities: {done.published.note}")
    typer.echo(f"  abstains: {done.published.abstention}")
    typer.echo(f"  checked on {done.checked_on}: probabilities differ by at most {done.difference.largest:.1g}")
    typer.echo(f"  takes RGB images of any size: resized inside, probabilities differ by at most {done.difference.resized:.1g}")
