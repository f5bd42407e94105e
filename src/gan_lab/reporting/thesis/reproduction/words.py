"""How the page calls what records call by the names of fields, options and scores.

The files that a reader may save keep the names, by which the programs find a run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gan_lab.reporting.thesis.design import DATASETS
from gan_lab.reporting.thesis.optimizer_names import OPTIMIZERS
from gan_lab.reporting.thesis.unconstrained_critics import SETTINGS

DIVERGED = "diverged"  # whether a run did: no score of a record

SCORES: Mapping[str, str] = {
    "cosine": "cosine with the optimal direction",
    "hit_rate": "right target",
    "k_error": "error of k, relative",
    "objective_gap": "objective above the optimum",
    "oscillation": "movement of the gradient in the last tenth of the steps",
    "left_over": "share of the way to an image that is left",
    "transport_agreement": "gradients that agree with the optimal transport",
    "optimum_error": "error of f",
    "output_offset": "offset of the outputs",
    "output_spread": "spread of the offset",
    "output_slope": "slope of the offset",
    "output_gap": "real above generated",
    "temporal": "g_t with g_{t-n}, same coordinate",
    "temporal_largest": "its largest size over lags",
    "spatial": "g_t with g_{t-n}, other coordinates",
    "spatial_largest": "its largest size over lags",
    "adam": "g² with Adam's v",
    "non_adashift_current": "g²_t with v of g_{t-n}",
    "non_adashift_shifted": "g²_{t-n} with v of g_{t-n}",
    "max_adashift_current": "g²_t with v of g_{t-n}, maximum",
    "max_adashift_shifted": "g²_{t-n} with v of g_{t-n}, maximum",
    "theta_adam": "θ of Adam",
    "theta_amsgrad": "θ of AMSGrad",
    "theta_adashift": "θ of AdaShift",
    "theta_adam_beta1_0_9": "θ of Adam, β1 = 0.9",
    "theta_adam_beta1_0_9999": "θ of Adam, β1 = 0.9999",
    "theta_adam_beta2_0_9999": "θ of Adam, β2 = 0.9999",
    "sequential_right": "share of (β1, β2) where Adam is right, sequential",
    "stochastic_right": "share of (β1, β2) where Adam is right, stochastic",
    "train_loss": "training loss",
    "test_accuracy": "test accuracy",
    "word_accuracy": "words that are right",
    "sentence_accuracy": "sentences that are right",
    "objective": "J_D with penalty",
    "critic_loss": "J_D",
    "gradient_norm": "largest gradient norm",
    "lower": "constant from below",
    "upper": "constant from above",
    "mean_slope": "mean slope",
    "optimal_slope": "mean slope of the optimum",
    "w1_ratio": "estimated W1 over the true one",
    "growth_excess": "growth in a step, less 1",
    "radius_excess": "largest eigenvalue, less 1",
    "js_apart": "JS, 3 apart",
    "tv_apart": "TV, 3 apart",
    "kl_apart": "KL, 3 apart",
    "w1_apart": "W1, 3 apart",
    "js_overlapping": "JS, 0.5 apart",
    "tv_overlapping": "TV, 0.5 apart",
    "kl_overlapping": "KL, 0.5 apart",
    "w1_overlapping": "W1, 0.5 apart",
    "gradient_cosine": "cosine with the true gradient",
    "valid": "score on held-out data",
    "test": "score on test data",
    "rate": "rate that was chosen",
    "modes_mixture_2500": "modes that were found",
    "good_mixture_2500": "share of good samples",
    "modekl_mixture_2500": "KL to equal modes",
}
"""A score's name in words; one of a protocol keeps its name."""

_CHANCE = "0.5 is chance"
_RHO = "Pearson's ρ over the last ten epochs, mean over coordinates and over the lags n = 1 to 10"

MEANINGS: Mapping[str, str] = {
    "cosine": "mean over the fakes that the optimum binds to one real; 1: the optimum's direction",
    "hit_rate": "share of the fakes that the optimum binds to one real whose gradient points there "
    "more than to any other real",
    "k_error": "|k - k*| / k*: k is the largest gradient norm between fakes and reals, k* the "
    "optimum's",
    "objective_gap": "J_D with its penalty, less the least value that any critic has",
    "oscillation": "standard deviation of the gradients at the fakes, over k*; lower is steadier",
    "left_over": "the nearest that the line along the gradient comes to a real image, over the way "
    "there at its start; 0: it passes through one",
    "transport_agreement": "share of fakes whose gradient has the sign of the way to the real that "
    f"the optimal plan gives them; {_CHANCE}",
    "optimum_error": "root of the mean square of f - f* under both laws; 0: the critic is optimal",
    "temporal": _RHO,
    "temporal_largest": "the largest |mean over coordinates| of the ten lags",
    "spatial": f"{_RHO}; of pairs of other coordinates",
    "spatial_largest": "the largest |mean over coordinates| of the ten lags",
    "adam": "Pearson's ρ over the last ten epochs, mean over coordinates",
    "non_adashift_current": _RHO,
    "non_adashift_shifted": "the pair that the caption prints, which v contains",
    "max_adashift_current": _RHO,
    "max_adashift_shifted": "the pair that the caption prints, which v contains",
    "objective": "mean over the last tenth of the steps; lower is better",
    "sequential_right": "share of the grid on which θ moves down, as it should",
    "gradient_cosine": "mean over samples; 1 is the known critic's direction",
    "w1_ratio": "1 is right",
    "valid": "error rate of a classifier, FID of a GAN to training images; lower is better",
    "test": "the same on the test data",
    "rate": "the learning rate that ends best on held-out data",
    "modes_mixture_2500": "modes with a good sample among 2,500, of 8 (ring) or 25 (grid)",
    "good_mixture_2500": "samples within 3 standard deviations of a mode's centre",
    "modekl_mixture_2500": "KL of the shares of modes among good samples to equal shares, nats",
}
"""What a score is, where its words do not say it."""

_OBJECTIVES = {
    "wasserstein": "x (Wasserstein)",
    "exp": "exp(x)",
    "logistic": "-log σ(-x)",
    "sqrt": "x+sqrt(x²+1)",
    "quadratic": "(x+1)²",
    "hinge": "max(0, x+1)",
    "least_squares": "least squares",
    "fisher": "μ-Fisher",
    "nonsaturating": "non-saturating",
}
_PENALTIES = {
    "none": "none",
    "clip": "weight clipping",
    "spectral": "spectral normalisation",
    "gp": "gradient penalty",
    "lp": "Lipschitz penalty (2-13)",
    "maxgp": "MaxGP",
}
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "loss": _OBJECTIVES,
    "penalty": _PENALTIES,
    "optimizer": OPTIMIZERS,
    "dataset.name": DATASETS | {"mnist": "MNIST"},
    "study": {"divergences": "normal laws"},
    "study.setting": {str(at): f"{at}: {critic}" for at, critic in SETTINGS.items()},
    "study.layout": {
        "disjoint": "disjoint intervals",
        "covered": "two intervals, other densities",
        "overlapping": "normal laws that overlap",
    },
    "study.network": {"mlp": "MLP, ReLU", "mlp_linear": "MLP, no activation"},
    "study.activation": {"relu": "ReLU", "linear": "none"},
    "study.game": {
        "bilinear": "u v",
        "dirac": "Dirac GAN",
        "dirac_penalised": "Dirac GAN, R1",
        "no_nash": "no Nash equilibrium",
    },
}
"""{field: {an option or value: its words}}."""

FIELDS: Mapping[str, str] = {
    "loss": "objective",
    "dataset": "data set",
    "dataset.name": "data set",
    "drawn.workload": "workload",
    "optimizer.betas": "β1, β2",
    "optimizer.lr": "learning rate",
    "penalty.weight": "λ",
    "study.delta": "δ",
    "study": "laws",
    "study.setting": "critic",
    "study.layout": "laws",
    "penalty.memory": "points of S_max",
}
"""A field in words; of any other the last part of its name stands there."""

# a difference of settings as the tables of scores write it, and the same in words
_PHRASES = (
    (r"\boptimizer_critic\.lr\b", "critic's learning rate"),
    (r"\boptimizer\.lr\b", "learning rate"),
    (r"\bn_critic\b", "critic steps a generator step"),
    (r"\barchitecture\.batch_norm_eps\b", "ε of batch norm"),
    (r"\bextractor of (.+?) classifier \(thesis: inception\)",
     r"network behind \1: a classifier of the data set (thesis: Inception)"),
    (r"\bextractor classifier \(thesis: inception\)",
     "network behind the scores: a classifier of the data set (thesis: Inception)"),
    (r"\bnetwork( of .+?) ResNetClassifier \(thesis: DenseNet\)",
     r"classifier\1: a small ResNet (thesis: DenseNet)"),
    (r"\bcovariance signed \(thesis: abs\)", "covariance σ_xy (thesis: |σ_xy|)"),
    (r"\bclasses classifier \(thesis: own\)",
     "classes by the classifier (thesis: as drawn, or the critic's own)"),
    (r"\boptimizer\.eps\b", "ε"),
    (r"\{\}", "none"),
    (r"\blevels (\d+)", r"levels of MS-SSIM \1"),
    (r"\bpairs (\d+)", r"pairs a class \1"),
)  # fmt: skip
_CURVES = {
    "a": "a: optimizers",
    "b": "b: Adam with larger β1 or β2",
    "output_real": "E f(x) on real samples",
    "output_fake": "E f(g(z)) on generated samples",
    "logistic mnist": "logistic regression on MNIST",
    "mlp mnist": "MLP on MNIST",
    "image_folder": "a GAN's critic on images of a folder",
    "translation": "a made-up language",
}
_STUDIES = {
    "table_2_1": "Table 2-1",
    "critic_only": "a GAN's critic alone",
    "critical_betas": "critical β1 and β2",
    "lipschitz_estimates": "Lipschitz constants",
    "lipschitz_methods": "penalties in the plane",
    "optimizers_gan": "optimizers on a GAN",
}


def score(name: str) -> str:
    """A score in words where it has some; else its name."""
    return SCORES.get(name, name)


def meaning(name: str) -> list[str]:
    """The sentence that says what a score is; none where its words do."""
    return [f"{score(name)}: {MEANINGS[name]}."] if name in MEANINGS else []


def field(name: str) -> str:
    """A field in words, as a heading.

    Examples:
        >>> field("penalty.target"), field("loss")
        ('target', 'objective')
    """
    return FIELDS.get(name) or name.rpartition(".")[2]


def fields(names: str) -> str:
    """Several of them, as "study.network, optimizer"."""
    return ", ".join(map(field, names.split(", ")))


def option(name: str, value: str) -> str:
    """The value of a field in words."""
    return OPTIONS.get(name, {}).get(value, value)


def options(names: Sequence[str], values: str) -> str:
    """The values of several fields, as a table writes them into one cell."""
    parts = values.split(", ")
    if len(parts) != len(names):
        return option(names[0], values) if len(names) == 1 else values
    return ", ".join(map(option, names, parts))


def assigned(text: str) -> str:
    """A heading such as "loss=exp, penalty.target=1" in words.

    A value that has words needs no field before it.

    Examples:
        >>> assigned("loss=exp"), assigned("penalty.target=1"), assigned("mean ± 95%")
        ('exp(x)', 'target 1', 'mean ± 95%')
    """

    def plain(part: re.Match[str]) -> str:
        name, value = part.groups()
        words = option(name, value)
        return words if words != value else f"{field(name)} {value}"

    return re.sub(r"([a-z_]+(?:\.[a-z_]+)*)=([^,=]+)", plain, text)


def settings(text: str) -> str:
    """Differences of settings in words.

    Examples:
        >>> settings("optimizer.lr 0.002 (thesis: 0.0002), n_critic 1 (thesis: 5)")
        'learning rate 0.002 (thesis: 0.0002), critic steps a generator step 1 (thesis: 5)'
    """
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    return text


def curve(name: str) -> str:
    """A panel of a figure in words where it has some; else its name."""
    return _CURVES.get(name, name)


def source(name: str) -> str:
    """A study or a data set in words."""
    return _STUDIES.get(name) or option("dataset.name", name).replace("_", " ")
