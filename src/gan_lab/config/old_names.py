"""Fields that are typed, or stand in an experiment file, by the name that they had before.
Torch-free."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf, open_dict

from gan_lab.config import trust
from gan_lab.errors import UserError
from gan_lab.records.versions import RENAMED_FIELDS


def translate(config: DictConfig) -> None:
    """Give every field of a composed config the name of today.

    Raises:
        UserError: for a field that was typed by both names.
    """
    typed = trust.typed_fields()
    for old, renaming in RENAMED_FIELDS.items():
        group, _, name = old.rpartition(".")
        node = config.get(group)
        if renaming.new is None or not isinstance(node, DictConfig):
            continue
        if name not in node or not renaming.is_of(node):
            continue
        if renaming.new in typed:
            raise UserError(
                f"{old}: this is the old name of {renaming.new}, which is set, too; omit {old}"
            )
        with open_dict(config):
            OmegaConf.update(config, renaming.new, node.pop(name), force_add=True)
