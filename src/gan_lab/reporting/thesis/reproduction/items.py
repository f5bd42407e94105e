"""Every table and figure of the thesis: what it shows, and where ours comes from.

A sentence here is the thesis's statement, never our result: results come from records.
Source: Zhou 2020 (doctoral thesis, SJTU), its lists of tables and figures, and the text at each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gan_lab.reporting.thesis.chapter_2 import TABLE_2_2
from gan_lab.reporting.thesis.chapter_4 import TABLE_4_1, TABLE_4_2, TABLE_4_3
from gan_lab.reporting.thesis.design import Design
from gan_lab.reporting.thesis.optimizer_names import OPTIMIZERS
from gan_lab.reporting.thesis.reproduction.words import DIVERGED
from gan_lab.reporting.thesis.unconstrained_critics import SETTINGS

CHAPTERS = {
    2: "Lipschitz GANs and the maximum gradient penalty",
    3: "AdaShift",
    4: "AM-GAN and the AM Score",
}

Where = Mapping[str, Any]
"""{dotted field of a record: value} of the runs that are meant; a tuple: any of these values, a
pattern: any value in which it is found."""


@dataclass(frozen=True)
class StudyTable:
    """A table of studies, or of trainings beside the thesis's, by the generic table code.

    Args:
        select: of the records.
        rows: fields, as Axes takes them.
        scores: names.
        columns: as rows.
        facet: as rows; a table for each.
        published: {score: the thesis's number, in its words}.
        notes: sentences that are needed to read it.
        alike: fields of which the notes say what value all runs have.
        is_exact: whether no seed has a part in the numbers, which then need no interval.
        needs: of the runs that are looked at, one at least must be so; others stand beside it.
    """

    select: Where
    rows: tuple[str, ...]
    scores: tuple[str, ...]
    columns: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    is_exact: bool = False
    needs: Where = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """A table of yes and no, each computed and held against the thesis's.

    Args:
        select: of the records.
        rows: the field that names a row.
        names: {value of that field: row}, in the order of rows.
        columns: {what is asked: (score with ours, score with the thesis's)}, each 1 or 0.
        errors: {what is measured: score} of further columns.
        closed_form: {what the thesis says: score} of errors that are 0 where it is right.
        notes: sentences that are needed to read it.
    """

    select: Where
    rows: str
    names: Mapping[str, str]
    columns: Mapping[str, tuple[str, str]]
    errors: Mapping[str, str]
    closed_form: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement of the thesis that an interval can decide.

    The score of `first` is lower than that of `second`, or where there is no `second`, lower than
    0; with `higher` the other way round.

    Args:
        text: the statement.
        score: its whole name; DIVERGED: whether a run did.
        first: the runs.
        second: the other runs; None: 0 is in their place.
        second_score: of the other runs, where it is another score; they are paired by no seed.
        higher: whether it is higher.
    """

    text: str
    score: str
    first: Where
    second: Where | None = None
    second_score: str | None = None
    higher: bool = False


@dataclass(frozen=True)
class Settings:
    """A table of settings: what the thesis prints for each optimizer.

    Args:
        sweeps: how `choices.sweep` begins in the records.
        values: {optimizer: {field of config.optimizer: value}}.
    """

    sweeps: str
    values: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Quantity:
    """A number in the file of a figure, beside the thesis's.

    Args:
        name: in the file's column `quantity`.
        what: its rows come to.
        published: the thesis's.
    """

    name: str
    what: str
    published: float


@dataclass(frozen=True)
class Item:
    """A table or figure.

    Args:
        kind: Table or Figure; beside them Section, or what is studied.
        number: as "2-2"; "" where there is none.
        title: its subject.
        shows: the thesis's statement about it.
        command: that makes ours.
        design: a table of published scores.
        studies: our studies' numbers.
        answers: a table of yes and no.
        statements: of the thesis, which our studies decide.
        settings: of a table of settings.
        published: {field: value in the thesis}, named where our studies have another.
        scale: in what else our studies or figures differ from the thesis's; empty: in nothing.
        in_tests: the test that checks it exactly, as "losses/test_x.py::test_y".
        quantity: a number of the figure's file that the thesis has, too.
        pictures: of it, where their files are not named after the figure: a pattern below the
            folder of results.
    """

    kind: str
    number: str
    title: str
    shows: str = ""
    command: str = ""
    design: Design | None = None
    studies: tuple[StudyTable, ...] = ()
    answers: Answers | None = None
    statements: tuple[Statement, ...] = ()
    settings: Settings | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    scale: str = ""
    in_tests: str = ""
    quantity: Quantity | None = None
    pictures: str = ""

    @property
    def name(self) -> str:
        """ "Table 2-2"."""
        return f"{self.kind} {self.number}".rstrip()

    @property
    def chapter(self) -> int:
        """Its chapter; 0 of what stands beside the thesis."""
        return int(self.number[0]) if self.number else 0


def _study(name: str, **more: Any) -> dict[str, Any]:
    return {"choices.study": name} | more


def _of(study: str, **choices: Any) -> dict[str, Any]:
    return _study(study) | {f"choices.{name}": value for name, value in choices.items()}


# Chapter 2 ----------------------------------------------------------------------------------------

_CHAPTER_2_MADE = "make chapter-2-run chapter-2"
_TABLE_2_1 = Answers(
    _study("table_2_1"),
    "study.objective",
    {
        "vanilla": "vanilla",
        "nonsaturating": "non-saturating",
        "least_squares": "least squares",
        "fisher": "μ-Fisher",
        "wasserstein": "Wasserstein",
        "wasserstein_relaxed": "Wasserstein, relaxed dual (2-4)",
        "lgan_exp": "Lipschitz GAN, exp(x)",
        "lgan_logistic": "Lipschitz GAN, -log σ(-x)",
        "lgan_wasserstein": "Lipschitz GAN, x",
    },
    {
        "gradient vanishes": ("vanishes", "vanishes_in_thesis"),
        "gradient uninformative": ("uninformative", "uninformative_in_thesis"),
        "f* unique": ("unique", "unique_in_thesis"),
    },
    {
        "f* from the closed form": "optimum_error",
        "f* from the form as printed": "printed_error",
        "optima apart": "spread",
    },
    {"The column of f*, where there is a closed form": "printed_error"},
    (
        "f* is found by minimising J_D on two random laws on the same points of the plane; each "
        "seed draws others. The gradient vanishes where its size goes to 0 as the laws become "
        "disjoint; it is uninformative where J_D does not rise if f may not rise from a fake "
        "towards its real. f* from the closed form, and from the form as printed: the largest "
        "difference on the points. Optima apart: the same between minima from several starts; 0 "
        "where f* is unique.",
    ),
)

_PLANE = _study("lipschitz_methods") | {"penalty.memory": (0, None)}
_PLANE_MAXGP = _PLANE | {"choices.penalty": "maxgp"}
_PLANE_GP = _PLANE | {"choices.penalty": "gp"}
_FIGURE_2_2 = StudyTable(
    _PLANE | {"choices.penalty": ("spectral", "gp", "lp", "maxgp")},
    ("penalty",),
    ("cosine", "k_error", "objective_gap", "oscillation"),
    notes=(
        "A seed draws two reals and two fakes, standard normal; the optimum between them is "
        "computed exactly.",
    ),
    alike=("loss", "penalty.weight", "penalty.target"),
)
_NEARER = "MaxGP comes nearer to the optimum than the gradient penalty: "
_STATEMENTS_2_2 = (
    Statement(
        "Spectral normalisation does not reach the optimum: its gradients are further from the "
        "optimal directions than MaxGP's",
        "cosine", _PLANE | {"choices.penalty": "spectral"}, _PLANE_MAXGP,
    ),
    Statement(f"{_NEARER}the error of its Lipschitz constant is smaller",
              "k_error", _PLANE_MAXGP, _PLANE_GP),
    Statement(f"{_NEARER}its objective is less above the optimum",
              "objective_gap", _PLANE_MAXGP, _PLANE_GP),
    Statement("MaxGP's gradients move less at the end than those of the gradient penalty, which "
              "oscillates", "oscillation", _PLANE_MAXGP, _PLANE_GP),
)  # fmt: skip
_SCORES_2_1 = ("transport_agreement", "optimum_error")
_2_1_SCALE = "the thesis does not say how many steps its critics trained"
_UNINFORMATIVE = "gradient_uninformativeness"
_LAYOUTS = (
    "Laws on the line: one interval each, disjoint; two intervals that both laws cover, with other "
    "densities; normal laws that overlap. The critic is of least squares."
)
_TEN = _study("ten_images") | {"study.continuous": False}
_TEN_MAXGP = _TEN | {"choices.penalty": "maxgp", "choices.loss": "exp"}
_TEN_GP = _TEN | {"choices.penalty": "gp", "choices.loss": "exp"}
_TEN_ALIKE = ("penalty.weight", "penalty.target")
_TEN_SCORES = ("left_over", "cosine", "hit_rate", "k_error")
_TEN_SCALE = "other images than the thesis's ten"
_OF_2_2 = "drawn from the runs of Table 2-2: see there"
_MADE_2_2 = (
    "make table-2-2-run table-2-2\nmake table-2-2-small  # in small\n"
    "make table-2-2-real-small  # in small, on real images"
)
_STABILITY = {"choices.experiment": "critic_stability"}


def _samples(number: str, of: str) -> Item:
    return Item(
        "Figure", number, f"samples of LGANs, {of}", "Samples of the generator, by objective.",
        f"python scripts/figures.py figure={number} run_dirs=[...]",
    )  # fmt: skip


_CHAPTER_2 = (
    Item(
        "Table", "2-1", "the objectives of GANs compared",
        "The optimal critic of each objective; where its gradient vanishes or is uninformative; "
        "whether it is unique.",
        _CHAPTER_2_MADE, answers=_TABLE_2_1,
    ),
    Item(
        "Table", "2-2", "objectives on unsupervised image generation",
        "LGANs usually score better than WGAN (x). They are close; exp(x) and x+sqrt(x²+1) are the "
        "best.",
        _MADE_2_2, TABLE_2_2,
    ),
    Item(
        "Table", "2-3", "the networks",
        "A generator and a critic of residual blocks at 32×32. Published as a drawing of layers; "
        "their parameters, 1,204,483 and 1,053,825, follow from it.",
        "python train.py dataset=cifar10 architecture=resnet",
        in_tests="architectures/test_resnet_table_2_3.py::test_parameter_counts_of_table_2_3",
    ),
    Item(
        "Figure", "2-1", "uninformative gradients in practice",
        "A well-trained critic of least squares has gradients that are noise, or local and greedy.",
        _CHAPTER_2_MADE, scale=_2_1_SCALE,
        studies=(
            StudyTable(
                _study(_UNINFORMATIVE), ("study.setting",), _SCORES_2_1, ("study.layout",),
                notes=(
                    f"{_LAYOUTS} Critics 1 to 5 are those of Figures 2-8 to 2-12; the thesis does "
                    "not say which it draws here, ours is 3.",
                ),
            ),
        ),
    ),
    Item(
        "Figure", "2-2", "penalties in the plane",
        "Spectral normalisation converges, but not to the optimum; the gradient penalty "
        "oscillates; MaxGP converges to the optimum.",
        _CHAPTER_2_MADE, studies=(_FIGURE_2_2,), statements=_STATEMENTS_2_2,
        scale="random instances where the thesis shows one; its network is not known",
    ),
    Item(
        "Figure", "2-3", "penalties on ten images",
        "With MaxGP each gradient passes through a real image; with the gradient penalty it is a "
        "mixture of several.",
        _CHAPTER_2_MADE, scale=_TEN_SCALE,
        studies=(StudyTable(_TEN, ("penalty",), _TEN_SCORES, ("loss",), alike=_TEN_ALIKE),),
        statements=(
            Statement("MaxGP's gradients pass nearer to a real image than the gradient penalty's "
                      "(exp)", "left_over", _TEN_MAXGP, _TEN_GP),
            Statement("MaxGP's gradients are nearer to the optimal directions than the gradient "
                      "penalty's (exp)", "cosine", _TEN_MAXGP, _TEN_GP, higher=True),
        ),
    ),
    Item(
        "Figure", "2-4", "directions of the optimal critic's gradient in the plane",
        "Each generated sample's gradient points at a real sample.",
        _CHAPTER_2_MADE, scale="a network of 4×256 units (author's program: 4×1024)",
        studies=(
            StudyTable(
                _study("gradient_direction"), ("loss",), ("cosine", "hit_rate", "k_error"),
                alike=("penalty", "penalty.weight", "penalty.memory"),
                notes=(
                    "Real samples lie close together beside their distance from the fakes: a "
                    "direction may be right to a few degrees (cosine) and still be nearer to "
                    "another real than to the one that the optimum binds (right target).",
                ),
            ),
        ),
    ),
    Item(
        "Figure", "2-5", "the optimal critic's gradient on ten images",
        "Along its gradient each noise image becomes a real one; objectives are alike.",
        _CHAPTER_2_MADE, scale=_TEN_SCALE,
        studies=(
            StudyTable(
                _TEN | {"choices.penalty": "maxgp"}, ("loss",), _TEN_SCORES, alike=_TEN_ALIKE
            ),
        ),
    ),
    Item(
        "Figure", "2-6", "the critic is more stable in LGANs",
        "The optimum of a WGAN is free up to a constant, so that its critic moves up and down over "
        "training; the optimum of any other LGAN is unique, and its critic stays.",
        _CHAPTER_2_MADE, scale="the thesis names neither data nor steps",
        studies=(
            StudyTable(
                _STABILITY, ("loss",),
                ("output_offset", "output_spread", "output_slope", "output_gap"),
                alike=("penalty", "penalty.weight"),
                notes=(
                    "Of the last half of the steps, on fixed samples: the mean of E f(x) and "
                    "E f(g(z)), which an added constant moves; its standard deviation; its "
                    "absolute slope in 1,000 steps; and E f(x) - E f(g(z)), the critic's scale.",
                ),
            ),
        ),
        statements=(
            Statement(
                "The critic moves less in an LGAN (exp) than in a WGAN",
                "output_spread", _STABILITY | {"choices.loss": "exp"},
                _STABILITY | {"choices.loss": "wasserstein"},
            ),
        ),
    ),
    Item("Figure", "2-7", "FID over training", "LGANs' FID falls below WGAN's during training.",
         _MADE_2_2, scale=_OF_2_2),
    *(
        Item(
            "Figure", f"2-{7 + setting}", f"uninformative gradients: {critic}",
            "The optimal critic's gradient says nothing of where the reals are, whatever network "
            "and optimizer.",
            _CHAPTER_2_MADE, scale=_2_1_SCALE,
            studies=(
                StudyTable(
                    _study(_UNINFORMATIVE) | {"study.setting": setting}, ("study.layout",),
                    _SCORES_2_1, notes=(_LAYOUTS,),
                ),
            ),
        )
        for setting, critic in SETTINGS.items()
    ),
    Item("Figure", "2-13", "phi and varphi of the objectives",
         "The functions of Table 2-2 that meet (2-11), drawn.",
         "python scripts/figures.py figure=2-13",
         in_tests="reporting/test_reporting_figures.py::test_figure_2_13_plots_the_formulas"),
    Item("Figure", "2-14", "IS over training on CIFAR-10", "LGANs' IS rises above WGAN's.",
         _MADE_2_2, scale=_OF_2_2),
    Item("Figure", "2-15", "IS over training on Tiny-ImageNet", "As Figure 2-14.",
         "make table-2-2-run table-2-2", scale=_OF_2_2),
    _samples("2-16", "CIFAR-10"),
    _samples("2-17", "Tiny-ImageNet"),
    _samples("2-18", "Oxford-102 (so the text; the caption prints Tiny-ImageNet)"),
    Item(
        "Figure", "2-19", "the gradient at Gaussian samples and ten images",
        "Gradients at samples of a Gaussian point at real images, too.",
        _CHAPTER_2_MADE, published={"dataset.name": "cifar10"}, scale=_TEN_SCALE,
        studies=(
            StudyTable(
                _study("ten_images") | {"study.continuous": True}, ("loss",), _TEN_SCORES,
                alike=("penalty", *_TEN_ALIKE),
            ),
        ),
    ),
)  # fmt: skip


# Chapter 3 ----------------------------------------------------------------------------------------

_ADAM = {"lr": 1e-3, "betas": [0.0, 0.999]}
_SHIFT = {"lr": 1e-2, "betas": [0.0, 0.999], "n": 1}
_WITH_MOMENTUM = {"lr": 1e-3, "betas": [0.9, 0.999]}
_TRANSLATED = {"lr": 1e-4, "betas": [0.9, 0.999]}
_CHAPTER_3_MADE = "make chapter-3-run chapter-3"


def _correlation(number: str, title: str, scores: tuple[str, ...], published: str) -> Item:
    table = StudyTable(_study("correlation"), ("study.activation",), scores)
    return Item(
        "Table", number, title, f"Published: {published}.", _CHAPTER_3_MADE, studies=(table,),
        scale="the thesis's network and settings are not known",
    )  # fmt: skip


def _sweeps(*names: str, more: str = "") -> str:
    """The commands of sweeps, a line each."""
    return "\n".join(f"python scripts/study.py sweep={name}{more}" for name in names)


# Training curves -----------------------------------

_LEARNING = ("train_loss", "test_accuracy")
_NOT_TINY, _TINY = re.compile("^(?!.*tiny)"), re.compile("tiny")
_DENSENET = " study.network=densenet study.batch_size=64 study.epochs=8 study.lr_drops=[4,6]"
_CLASSIFIERS = {  # network: its data set in the thesis and its epochs, whose number chapter 3 omits
    "resnet18": {"dataset.name": "cifar10", "study.epochs": 50},
    "densenet": {"dataset.name": "cifar10", "study.epochs": 150},
    "tiny": {"dataset.name": "tiny_imagenet", "study.epochs": 150},
}


def _trained(network: str, sweeps: str, dataset: Any = _NOT_TINY) -> dict[str, Any]:
    """Records of classifiers: `sweeps` is how the names of their sweeps begin."""
    return _study("classification") | {
        "study.network": network, "dataset.name": dataset,
        "choices.sweep": re.compile(f"^({sweeps})"),
    }  # fmt: skip


def _compared(
    text: str, score: str, runs: Where, first: str, second: str, **more: Any
) -> Statement:
    """The score of one optimizer is lower than that of another; higher=True: higher."""
    of = [dict(runs) | {"choices.optimizer": name} for name in (first, second)]
    return Statement(text, score, of[0], of[1], **more)


def _classifier(
    number: str,
    title: str,
    shows: str,
    runs: Where,
    *,
    by: str = "optimizer",
    needs: str = "",
    command: str = "",
    on: str = "resnet18",
    statements: tuple[Statement, ...] = (),
) -> Item:
    """A figure of training loss and test accuracy; `by` is what its lines differ in, `needs` how
    the names of its own sweeps begin, where it has others' runs beside them."""
    own = {"choices.sweep": re.compile(f"^(?:{needs})")} if needs else {}
    table = StudyTable(runs, ("dataset.name", by), _LEARNING, needs=own)
    return Item("Figure", number, title, shows, command, studies=(table,), statements=statements,
                published=_CLASSIFIERS[on])  # fmt: skip


_MNIST_MLP = _trained("mlp", "table_3_6")
_RESNET = _trained("resnet18", "table_3_9")
_DENSE = _trained("densenet", "table_3_9")
_DENSE_TINY = _trained("densenet", "table_3_9", _TINY)
_CRITIC_ONLY = _study("critic_only")
_TABLE_3_8 = _study("translation") | {"choices.sweep": re.compile("^table_3_8")}
_RESNET_SWEEPS = ("table_3_9_resnet_adam", "table_3_9_resnet_adashift")
_DENSE_SWEEPS = ("table_3_9_densenet_adam", "table_3_9_densenet_adashift")
_MORE = "figure_3_9_spatial|figure_3_18"
_BEHIND = "Adam's training loss is below AMSGrad's"
_ALONE = (
    "The temporal shift alone is less stable than AdaShift, and may need a smaller rate; the "
    "spatial operation alone does as Adam does."
)
_RATE = "With the maximum as spatial operation the best rate is about ten times Adam's."
_BETAS = "AdaShift depends little on β1 and β2."
_STABLE = "AdaShift is stable when n and m change."
_ALIKE = "Nadam and the spatial operation alone do as Adam does."

_COUNTER = _study("counterexample")
_CHAPTER_3 = (
    _correlation("3-1", "correlation of gradients over time", ("temporal", "temporal_largest"),
                 "below 0.002 in size at every lag"),
    _correlation("3-2", "correlation between coordinates", ("spatial", "spatial_largest", "adam"),
                 "below 0.002 in size at every lag; of g² with Adam's v, in the text, 0.435885"),
    _correlation("3-3", "g² and v of AdaShift without the spatial operation",
                 ("non_adashift_current", "non_adashift_shifted"), "-0.0107 to -0.0110"),
    _correlation("3-4", "g² and v of AdaShift with the spatial operation",
                 ("max_adashift_current", "max_adashift_shifted"), "-0.0005 to -0.0008"),
    Item("Table", "3-5", "settings of logistic regression on MNIST",
         command=_sweeps(*(f"table_3_5_{x}" for x in ("sgd", "adam", "adashift_none", "adashift"))),
         published={"dataset.name": "mnist"},
         settings=Settings("table_3_5", {
             "sgd": {"lr": 0.1}, "adam": _ADAM, "amsgrad": _ADAM,
             "adashift_none": _ADAM | {"n": 1}, "adashift": _SHIFT,
         })),
    Item("Table", "3-6", "settings of a network on MNIST",
         command=_sweeps(*(f"table_3_6_{x}" for x in ("sgd", "adam", "adashift_none", "adashift"))),
         published={"dataset.name": "mnist"},
         settings=Settings("table_3_6", {
             "sgd": {"lr": 1e-3}, "adam": _ADAM, "amsgrad": _ADAM,
             "adashift_none": {"lr": 5e-4, "betas": [0.0, 0.999], "n": 1}, "adashift": _SHIFT,
         })),
    Item("Table", "3-7", "settings of WGAN-GP's critic alone",
         command=_sweeps("table_3_7_adam", "table_3_7_adashift"),
         published={"dataset.name": "cifar10"},
         settings=Settings("table_3_7", {
             "adam": {"lr": 1e-5, "betas": [0.0, 0.999]},
             "amsgrad": {"lr": 1e-5, "betas": [0.0, 0.999]},
             "adashift": {"lr": 1.5e-4, "betas": [0.0, 0.999], "n": 1},
         })),
    Item("Table", "3-8", "settings of machine translation",
         command=_sweeps("table_3_8_adam", "table_3_8_adashift"),
         scale="a made-up language in place of a real one: see Figure 3-7",
         settings=Settings("table_3_8", {
             "adam": _TRANSLATED, "amsgrad": _TRANSLATED,
             "adashift": {"lr": 1e-2, "betas": [0.9, 0.999], "n": 30},
         })),
    Item("Table", "3-9", "settings of classifiers on CIFAR-10 and Tiny-ImageNet",
         command=_sweeps(*_RESNET_SWEEPS, *_DENSE_SWEEPS),
         published={"dataset.name": ("cifar10", "tiny_imagenet")},
         settings=Settings("table_3_9", {
             "adam": _WITH_MOMENTUM, "amsgrad": _WITH_MOMENTUM,
             "adashift": {"lr": 1e-2, "betas": [0.9, 0.999], "n": 10},
         })),
    Item(
        "Figure", "3-1", "the stochastic counterexample to Adam",
        "Adam moves θ up, which is wrong; AMSGrad and AdaShift move it down, AdaShift faster.",
        _CHAPTER_3_MADE,
        studies=(
            StudyTable(_COUNTER, ("study.C",), ("theta_adam", "theta_amsgrad", "theta_adashift"),
                       alike=("study.delta",)),
        ),
        statements=(
            Statement("Adam moves θ up", "theta_adam", _COUNTER, higher=True),
            Statement("AMSGrad moves θ down", "theta_amsgrad", _COUNTER),
            Statement("AdaShift moves θ down", "theta_adashift", _COUNTER),
            Statement("AdaShift moves θ further down than AMSGrad",
                      "theta_adashift", _COUNTER, _COUNTER, "theta_amsgrad"),
            Statement("With β1 = 0.9 Adam still moves θ up",
                      "theta_adam_beta1_0_9", _COUNTER, higher=True),
            Statement("With a large enough β1 (0.9999) Adam moves θ down",
                      "theta_adam_beta1_0_9999", _COUNTER),
            Statement("With a large enough β2 (0.9999) Adam moves θ down",
                      "theta_adam_beta2_0_9999", _COUNTER),
        ),
    ),
    Item(
        "Figure", "3-2", "logistic regression on MNIST",
        "All optimizers are close in training speed and in generalisation.",
        _CHAPTER_3_MADE, scale="the thesis does not say how long it trains",
        studies=(StudyTable(_trained("logistic", "table_3_5"), ("optimizer",), _LEARNING),),
    ),
    Item(
        "Figure", "3-3", "a network on MNIST",
        "Max-AdaShift reaches the lowest training loss; without the spatial operation AdaShift "
        "wobbles a little.",
        _sweeps(*(f"table_3_6_{x}" for x in ("sgd", "adam", "adashift_none", "adashift"))),
        published={"study.epochs": 200},
        studies=(
            StudyTable(
                _trained("^mlp", "table_3_6") | {"study.network": ("mlp", "mlp_linear")},
                ("study.network", "optimizer"), _LEARNING,
                notes=("The author's program has no activation between the layers.",),
            ),
        ),
        statements=tuple(
            _compared(f"Max-AdaShift's training loss is below that of {OPTIMIZERS[name]}",
                      "train_loss", _MNIST_MLP, "adashift", name)
            for name in ("sgd", "adam", "amsgrad")
        ),
    ),
    _classifier("3-4", "ResNet on CIFAR-10",
                "AMSGrad is behind; Adam and AdaShift are close, AdaShift with a slightly better "
                "test accuracy.",
                _RESNET, command=_sweeps(*_RESNET_SWEEPS),
                statements=(
                    _compared(_BEHIND, "train_loss", _RESNET, "adam", "amsgrad"),
                    _compared("AdaShift's test accuracy is above Adam's",
                              "test_accuracy", _RESNET, "adashift", "adam", higher=True),
                )),
    _classifier("3-5", "DenseNet on CIFAR-10",
                "AMSGrad is behind; Adam and AdaShift are close, AdaShift with a slightly lower "
                "training loss.",
                _DENSE, command=_sweeps(*_DENSE_SWEEPS), on="densenet",
                statements=(
                    _compared(_BEHIND, "train_loss", _DENSE, "adam", "amsgrad"),
                    _compared("AdaShift's training loss is below Adam's",
                              "train_loss", _DENSE, "adashift", "adam"),
                )),
    _classifier("3-6", "DenseNet on Tiny-ImageNet",
                "Adam and AdaShift train alike; AdaShift has the better test accuracy; AMSGrad's "
                "training loss is higher.",
                _DENSE_TINY, command=_sweeps(
                    *_DENSE_SWEEPS, more=" dataset=tiny_imagenet dataset.root=FOLDER device=cuda"
                ), on="tiny",
                statements=(
                    _compared(_BEHIND, "train_loss", _DENSE_TINY, "adam", "amsgrad"),
                    _compared("AdaShift's test accuracy is above Adam's",
                              "test_accuracy", _DENSE_TINY, "adashift", "adam", higher=True),
                )),
    Item(
        "Figure", "3-7", "a GAN's critic, and a recurrent network",
        "a: AdaShift is clearly better than Adam at the critic, AMSGrad worse. b: AdaShift's BLEU "
        "is higher than both.",
        _CHAPTER_3_MADE,
        scale="a: a small critic for few steps; b: a made-up language, and words that are right in "
        "place of BLEU",
        studies=(
            StudyTable(_CRITIC_ONLY, ("dataset.name", "optimizer"), ("objective", "critic_loss"),
                       alike=("loss", "penalty", "penalty.weight")),
            StudyTable(_TABLE_3_8, ("optimizer",),
                       ("train_loss", "word_accuracy", "sentence_accuracy")),
        ),
        statements=(
            _compared("a: AdaShift's critic has a lower objective than Adam's",
                      "objective", _CRITIC_ONLY, "adashift", "adam"),
            _compared("a: Adam's critic has a lower objective than AMSGrad's",
                      "objective", _CRITIC_ONLY, "adam", "amsgrad"),
            *(
                _compared(f"b: AdaShift gets more words right than {OPTIMIZERS[name]}",
                          "word_accuracy", _TABLE_3_8, "adashift", name, higher=True)
                for name in ("adam", "amsgrad")
            ),
        ),
    ),
    Item("Figure", "3-8", "critical β1, β2 and C",
         "Larger β1 and β2 need a larger C before Adam goes the wrong way.",
         _CHAPTER_3_MADE,
         studies=(
             StudyTable(_study("critical_betas"), ("study.C",),
                        ("sequential_right", "stochastic_right")),
         ),
         scale="a grid of 21×21 values of our choice"),
    _classifier("3-9", "temporal shift or spatial operation alone: ResNet on CIFAR-10", _ALONE,
                _trained("resnet18", "table_3_9|figure_3_9"), needs="figure_3_9",
                command=_sweeps("figure_3_9_temporal", "figure_3_9_spatial")),
    _classifier("3-10", "temporal shift or spatial operation alone: DenseNet on CIFAR-10", _ALONE,
                _trained("densenet", "table_3_9|figure_3_9"), needs="figure_3_9", on="densenet",
                command=_sweeps("figure_3_9_temporal", "figure_3_9_spatial", more=_DENSENET)),
    _classifier("3-11", "sensitivity to the learning rate: ResNet on CIFAR-10", _RATE,
                _trained("resnet18", "figure_3_11"), by="optimizer.lr",
                command=_sweeps("figure_3_11")),
    _classifier("3-12", "sensitivity to the learning rate: DenseNet on CIFAR-10", _RATE,
                _trained("densenet", "figure_3_11"), by="optimizer.lr", on="densenet",
                command=_sweeps("figure_3_11", more=_DENSENET)),
    _classifier("3-13", "sensitivity to β1 and β2: ResNet on CIFAR-10", _BETAS,
                _trained("resnet18", "figure_3_13"), by="optimizer.betas",
                command=_sweeps("figure_3_13")),
    _classifier("3-14", "sensitivity to β1 and β2: DenseNet on CIFAR-10", _BETAS,
                _trained("densenet", "figure_3_13"), by="optimizer.betas", on="densenet",
                command=_sweeps("figure_3_13", more=_DENSENET)),
    _classifier("3-15", "sensitivity to n: DenseNet on Tiny-ImageNet", _STABLE,
                _trained("densenet", "figure_3_15", re.compile("")), by="optimizer.n", on="tiny",
                command=_sweeps("figure_3_15")),
    _classifier("3-16", "sensitivity to m: DenseNet on Tiny-ImageNet", _STABLE,
                _trained("densenet", "figure_3_16", re.compile("")), by="optimizer.m", on="tiny",
                command=_sweeps("figure_3_16")),
    Item("Figure", "3-17", "sensitivity to n and m: machine translation", _STABLE,
         _sweeps("figure_3_17"), scale="a made-up language; n and m of our choice",
         studies=(
             StudyTable(_study("translation") | {"choices.sweep": "figure_3_17"},
                        ("optimizer.n", "optimizer.m"), ("train_loss", "word_accuracy")),
         )),
    _classifier("3-18", "more optimizers: ResNet on CIFAR-10", _ALIKE,
                _trained("resnet18", f"table_3_9|{_MORE}"), needs=_MORE,
                command=_sweeps("figure_3_18", "figure_3_9_spatial")),
    _classifier("3-19", "more optimizers: DenseNet on CIFAR-10", _ALIKE,
                _trained("densenet", f"table_3_9|{_MORE}"), needs=_MORE, on="densenet",
                command=_sweeps("figure_3_18", "figure_3_9_spatial", more=_DENSENET)),
    _classifier("3-20", "more optimizers: DenseNet on Tiny-ImageNet", _ALIKE,
                _trained("densenet", f"table_3_9|{_MORE}", _TINY), needs=_MORE, on="tiny",
                command=_sweeps("figure_3_18", "figure_3_9_spatial", more=(
                    f"{_DENSENET} dataset=tiny_imagenet dataset.root=FOLDER device=cuda"
                ))),
)  # fmt: skip


# Chapter 4 ----------------------------------------------------------------------------------------

_IDENTITIES = "losses/test_losses_label_identities.py::"
_SAMPLES_4 = (
    "AM-GAN, dynamic labels", "AM-GAN, predefined labels (the caption prints dynamic)",
    "AC-GAN, dynamic labels", "AC-GAN, predefined labels",
    "AC-GAN+, dynamic labels", "AC-GAN+, predefined labels",
    "LabelGAN, the network of dynamic labels", "LabelGAN, the network of predefined labels",
    "GAN, the network of dynamic labels", "GAN, the network of predefined labels",
)  # fmt: skip
_RUNS_4_1 = "drawn from the runs of Table 4-1: see there"
_MADE_4_1 = (
    "make table-4-1-run table-4-1\nmake table-4-1-small  # in small\n"
    "make table-4-1-real-small  # in small, on real images"
)
_CHAPTER_4 = (
    Item("Table", "4-1", "models with class labels",
         "AM-GAN is the best in every setting; AC-GAN+ is better than AC-GAN. (Its numbers say "
         "otherwise of AM on Tiny-ImageNet with predefined labels: 1.20 beside 1.01.)",
         _MADE_4_1, TABLE_4_1),
    Item("Table", "4-2", "largest class mean of MS-SSIM",
         "With predefined labels AC-GAN collapses within classes; the other models do not.",
         "make table-4-1-run table-4-2\nmake table-4-1-small  # in small\n"
         "make table-4-1-real-small  # in small, on real images", TABLE_4_2),
    Item("Table", "4-3", "AM-GAN beside related work",
         "AM-GAN with a wider critic scores 8.91, above every other work, Splitting GAN's 8.87 "
         "among them.",
         "make table-4-3-run table-4-3", TABLE_4_3),
    Item("Figure", "4-1", "gradients that overlay each other (a drawing)",
         "A sample that is drawn to two classes at once may move to neither.",
         in_tests=f"{_IDENTITIES}test_overlaid_gradients_may_cancel"),
    Item("Figure", "4-2", "AM-GAN beside AC-GAN (a drawing)",
         "AM-GAN is LabelGAN and an auxiliary classifier; AC-GAN is GAN and one.",
         in_tests=f"{_IDENTITIES}test_lemma_4_2"),
    Item("Figure", "4-3", "IS and its terms over training",
         "H(mean C) falls during training, which its reading as diversity does not allow.",
         _MADE_4_1, scale=_RUNS_4_1),
    Item("Figure", "4-4", "what classifiers say of CIFAR-10's training images",
         "Under the ImageNet classifier classes differ in entropy; under CIFAR-10's own 99.6% of "
         "the images have an entropy below 0.05.",
         "python scripts/evaluate.py data_statistics=true",
         quantity=Quantity("share of H(C(x)) below 0.05", "mean over classes", 0.996),
         scale="JPEG copies of CIFAR-10, and a classifier of ours"),
    Item("Figure", "4-5", "real images by entropy",
         "Images at three levels of entropy under the Inception network look alike in quality.",
         "python scripts/evaluate.py data_statistics=true",
         pictures="data_statistics/data_statistics_*.png",
         scale="JPEG copies of CIFAR-10, and a classifier of ours in place of Inception; levels of "
         "0 to 1/7, 3/7 to 4/7 and 6/7 to 1 of the largest entropy, log 10 (thesis: 0 to 1, 3 to 4 "
         "and 6 to 7 nats)"),
    Item("Figure", "4-6", "IS where modes are dropped",
         "IS rises with the number of modes that are kept.",
         "python scripts/figures.py figure=4-6",
         in_tests="reporting/test_reporting_figures.py::"
         "test_uniform_modes_score_exactly_the_number_kept"),
    Item("Figure", "4-7", "AM and its terms over training", "AM falls smoothly, and so do its "
         "terms.", _MADE_4_1, scale=_RUNS_4_1),
    Item("Figure", "4-8", "training curves of the models", "AM tells the models apart more "
         "smoothly than IS does.", _MADE_4_1, scale=_RUNS_4_1),
    *(
        Item("Figure", f"4-{9 + index}", f"samples of {of}",
             command=f"python scripts/figures.py figure=4-{9 + index} run_dirs=[...]",
             scale=_RUNS_4_1)
        for index, of in enumerate(_SAMPLES_4)
    ),
)  # fmt: skip

ITEMS = (*_CHAPTER_2, *_CHAPTER_3, *_CHAPTER_4)
"""The tables and figures of the thesis, in its order."""


# Beside the tables and figures --------------------------------------------------------------------

_MEMORY = StudyTable(
    _study("lipschitz_methods") | {"choices.penalty": "maxgp", "seed": (0, 1, 2, 3, 4)},
    ("penalty.memory",), ("cosine", "k_error", "objective_gap", "oscillation"),
    notes=("The instances of Figure 2-2; 0: no S_max.",),
)  # fmt: skip
_MEMORY_TRAINED = StudyTable(
    {"choices.experiment": ("critic_stability", "s_max_small"), "choices.loss": "exp"},
    ("penalty.memory",),
    ("fid_classifier_10k_train", "is_classifier_10k_10x", "am_classifier_10k"),
    notes=("GANs on digits; without S_max they are those of Figure 2-6.",),
)
_EXP = {"choices.experiment": "exp_penalties"}
_EXP_REAL = _EXP | {"dataset.name": re.compile("^cifar10")}
_TRANSPORT = "theory/test_theory_divergences.py::"
_GAMES = "theory/test_theory_games.py::"
_SLOPES = ("lower", "upper", "mean_slope", "optimal_slope", "w1_ratio")
_TUNED = ("optimizers", "optimizers_gan")

BESIDE = (
    Item("Section", "2.5.4", "S_max, the points of largest gradient so far",
         "Whether S_max is added usually makes little difference.",
         _CHAPTER_2_MADE, studies=(_MEMORY, _MEMORY_TRAINED),
         scale="in small; an interval can decide that there is a difference, not that there is "
         "none"),
    Item(
        "Section", "2.6.2", "exp with either gradient penalty",
        "With exp training diverges with the gradient penalty in some experiments, and converges "
        "with MaxGP.",
        _CHAPTER_2_MADE, scale="in small; the thesis does not say which experiments",
        studies=(
            StudyTable(_EXP, ("penalty",), ("gradient_norm",), ("penalty.target",),
                       ("dataset.name",),
                       notes=("The critic's largest gradient norm on interpolates after the last "
                              "step; runs that diverged would be counted in their cells.",)),
        ),
        statements=(
            Statement("More runs diverge with the gradient penalty (real images, target 1)",
                      DIVERGED, _EXP_REAL | {"choices.penalty": "gp"},
                      _EXP_REAL | {"choices.penalty": "maxgp"}, higher=True),
        ),
        pictures="figures/exp_penalties.png",
    ),
    Item("Lipschitz constants", "", "critics under clipping, spectral normalisation and penalties",
         "No statement of the thesis. An introduction to GANs prints, for a network of three "
         "layers, upper bounds of 0.0655 under clipping, 0.9993 under spectral normalisation and "
         "1.100 under the gradient penalty.",
         _CHAPTER_2_MADE, pictures="figures/figure_lipschitz_estimates.png",
         studies=(
             StudyTable(_study("lipschitz_estimates"), ("penalty",), _SLOPES,
                        notes=(
                            "k(f) from below by gradient ascent, and from above by the product of "
                            "the layers' norms, which a penalty on gradients does not hold. Mean "
                            "slope: over interpolates, of the trained critic and by theory of the "
                            "optimal one.",
                        )),
         ),
         scale="that text names neither data nor widths"),
    Item("Divergences", "", "TV, KL, JS and W1 of laws that move apart",
         "Where two laws are disjoint, JS and TV say nothing of how far apart they are; W1 does.",
         _CHAPTER_2_MADE, pictures="figures/figure_divergences.png",
         studies=(
             StudyTable(_study("divergences") | {"seed": 0}, ("study",), is_exact=True,
                        scores=("js_apart", "tv_apart", "kl_apart", "w1_apart", "js_overlapping",
                         "tv_overlapping", "kl_overlapping", "w1_overlapping"),
                        notes=(
                            "Two normal laws with σ = 0.3, 3 apart and 0.5 apart; in nats. "
                            "Integrated numerically: no seed has a part in it.",
                        )),
         ),
         in_tests=f"{_TRANSPORT}test_only_the_lipschitz_metric_says_how_far_disjoint_laws_are"),
    Item("Games", "", "small games under five kinds of updates",
         "On the game u v simultaneous steps spiral out and alternating ones cycle; extragradient, "
         "optimistic and consensus steps converge.",
         _CHAPTER_2_MADE, pictures="figures/figure_games.png",
         studies=(
             StudyTable(_study("games"), ("study.method",), ("growth_excess", "radius_excess"),
                        ("study.game",), is_exact=True,
                        notes=(
                            "By how much the distance from the stationary point grows in a step, "
                            "and the largest eigenvalue of the update's matrix, which this tends "
                            "to; below 0 the updates converge. Computed from one start: no seed "
                            "has a part in it.",
                        )),
         ),
         in_tests=f"{_GAMES}test_simultaneous_spirals_out_by_its_eigenvalue"),
    Item("Known critics", "", "penalties beside critics known in closed form",
         "No statement of the thesis: how near trained critics come to an optimal one that is "
         "known, on instances after Korotin et al. 2022.",
         "make known-critics-run chapter-2",
         studies=(
             StudyTable(_study("known_critics"), ("penalty",), ("gradient_cosine", "w1_ratio"),
                        ("study.dimension",)),
         ),
         scale="own instances"),
    Item("Toys", "", "ring and grid, counted by modes",
         "No statement of the thesis: objectives by three ways to keep the critic Lipschitz.",
         "make toys-run toys", scale="in small",
         studies=(
             StudyTable({"choices.experiment": "toys"}, ("loss",),
                        ("modes_mixture_2500", "good_mixture_2500", "modekl_mixture_2500"),
                        ("penalty",), ("dataset",)),
         )),
    Item("Systems", "", "self-attention, progressive growing, relativistic losses, game optimizers",
         "No statement of the thesis: what other systems do beside its ResNet with exp and MaxGP.",
         "make systems-run systems", scale="in small",
         studies=(
             StudyTable({"choices.experiment": "systems_small"},
                        ("architecture", "loss", "penalty", "optimizer"),
                        ("fid_classifier_10k_train", "is_classifier_10k_10x")),
         )),
    Item("Optimizers", "", "tuned with equal budgets",
         "No statement of the thesis: every optimizer with the same trials, chosen on held-out "
         "data.",
         "make optimizers-run optimizers", pictures="figures/figure_optimizers.png",
         studies=(
             StudyTable({"choices.study": _TUNED}, ("optimizer",), ("valid", "test", "rate"),
                        ("drawn.workload",)),
         ),
         scale="in small"),
)  # fmt: skip
"""What the thesis says outside of them, and what stands beside it."""
