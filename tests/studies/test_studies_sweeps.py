"""The sweeps of chapter 3 have the settings of the thesis's tables."""

import hydra
import pytest

from gan_lab import config
from helpers.registry import CONF

# lr, betas, n (None: there is none); thesis 3.F.1
TABLES = {
    ("3_5", "sgd"): (0.1, None, None),
    ("3_5", "adam"): (1e-3, [0.0, 0.999], None),
    ("3_5", "amsgrad"): (1e-3, [0.0, 0.999], None),
    ("3_5", "adashift_none"): (1e-3, [0.0, 0.999], 1),
    ("3_5", "adashift"): (1e-2, [0.0, 0.999], 1),
    ("3_6", "sgd"): (1e-3, None, None),
    ("3_6", "adam"): (1e-3, [0.0, 0.999], None),
    ("3_6", "amsgrad"): (1e-3, [0.0, 0.999], None),
    ("3_6", "adashift_none"): (5e-4, [0.0, 0.999], 1),
    ("3_6", "adashift"): (1e-2, [0.0, 0.999], 1),
    ("3_7", "adam"): (1e-5, [0.0, 0.999], None),
    ("3_7", "amsgrad"): (1e-5, [0.0, 0.999], None),
    ("3_7", "adashift"): (1.5e-4, [0.0, 0.999], 1),
    ("3_8", "adam"): (1e-4, [0.9, 0.999], None),
    ("3_8", "amsgrad"): (1e-4, [0.9, 0.999], None),
    ("3_8", "adashift"): (1e-2, [0.9, 0.999], 30),
    ("3_9", "adam"): (1e-3, [0.9, 0.999], None),
    ("3_9", "amsgrad"): (1e-3, [0.9, 0.999], None),
    ("3_9", "adashift"): (1e-2, [0.9, 0.999], 10),
    ("3_9", "sgd"): (0.1, None, None),  # ours, as in 3-5: the table has none
}
FILES = sorted(path.stem for path in (CONF / "sweep").glob("table_3_[56789]*.yaml"))


def composed(*overrides):
    config.register(config.StudyConfig)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("study", list(overrides), return_hydra_config=True)


def cells(file):
    """The optimizers of a sweep, with the config of each."""
    whole = composed(f"sweep={file}")
    swept = (whole.hydra.sweeper.params or {}).get("optimizer")
    if swept is None:
        return {whole.hydra.runtime.choices.optimizer: whole}
    return {name: composed(f"sweep={file}", f"optimizer={name}") for name in swept.split(",")}


@pytest.mark.thorough
@pytest.mark.parametrize("file", FILES)
def test_a_sweep_has_the_settings_of_its_table(file):
    for optimizer, cell in cells(file).items():
        found = cell.optimizer
        betas = list(found.betas) if "betas" in found else None
        expected = TABLES[file[len("table_") :][:3], optimizer]
        assert (found.lr, betas, found.get("n")) == expected
        assert cell.hydra.sweep.dir == f"outputs/studies/{file[:9]}"


@pytest.mark.thorough
def test_every_setting_of_the_tables_is_swept():
    swept = {(file[6:9], optimizer) for file in FILES for optimizer in cells(file)}
    assert swept == set(TABLES)
