"""The config of every command: its schema, its checks, and the config of a run that exists. Torch-free."""

from gan_lab.config.checks import (
    PRECISIONS,
    WHOLE_NUMBERS,
    check,
    check_device,
    check_evaluation,
    check_fields,
    check_shares,
    merged_critic_optimizer,
    suggestion,
)
from gan_lab.config.resume import WHERE, config_text, resumed, saved_config
from gan_lab.config.schema import (
    GROUPS,
    META_KEYS,
    ClassifierConfig,
    CollectConfig,
    EvaluateConfig,
    FiguresConfig,
    TablesConfig,
    TrainConfig,
    WandbDashboardConfig,
    plain_config,
    register,
)

__all__ = [
    "GROUPS",
    "META_KEYS",
    "PRECISIONS",
    "WHERE",
    "WHOLE_NUMBERS",
    "ClassifierConfig",
    "CollectConfig",
    "EvaluateConfig",
    "FiguresConfig",
    "TablesConfig",
    "TrainConfig",
    "WandbDashboardConfig",
    "check",
    "check_device",
    "check_evaluation",
    "check_fields",
    "check_shares",
    "config_text",
    "merged_critic_optimizer",
    "plain_config",
    "register",
    "resumed",
    "saved_config",
    "suggestion",
]
