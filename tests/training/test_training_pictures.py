"""Pictures of points ask the critic, and must not change it."""

from __future__ import annotations

from helpers.gan_runs import train, weights

PLANE = (
    *("dataset=ring", "architecture=mlp", "architecture.width=8", "penalty=spectral"),
    *("max_generator_steps=4", "n_critic=1", "batch_size=16", "generator_batch_size=16"),
    "evaluation=off",
)


def test_how_often_points_are_drawn_changes_nothing(tmp_path):
    """Spectral normalisation moves its vectors with every pass in training mode: a contour in that
    mode would change the run."""
    often, never = (
        weights(train(tmp_path / every, *PLANE, f"sample_every={every}", small=False))
        for every in ("1", "1000")
    )
    assert len(list((tmp_path / "1/samples").iterdir())) == 4
    assert often == never
