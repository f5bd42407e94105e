"""Every table and figure of the thesis: what it shows, and where ours comes from.

A sentence here is the thesis's statement, never our result: results come from records.
Source: Zhou 2020 (doctoral thesis, SJTU), its lists of tables and figures, and the text at each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gan_lab.reporting.thesis.chapter_2 import TABLE_2_2
from gan_lab.reporting.thesis.chapter_4 import TABLE_4_1, TABLE_4_2, TABLE_4_3
from gan_lab.reporting.thesis.design import Design

CHAPTERS = {
    2: "Lipschitz GANs and the maximum gradient penalty",
    3: "AdaShift",
    4: "AM-GAN and the AM Score",
}

Where = Mapping[str, Any]
"""{dotted field of a record: value} of the runs that are meant."""


@dataclass(frozen=True)
class StudyTable:
    """A table of studies by the generic table code.

    Attributes:
        select: of the records.
        rows: fields, as Axes takes them.
        scores: names.
        columns: as rows.
        published: {score: the thesis's number, in its words}.
    """

    select: Where
    rows: tuple[str, ...]
    scores: tuple[str, ...]
    columns: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A statement of the thesis that an interval can decide.

    The score of `first` is lower than that of `second`, or where there is no `second`, lower than
    0; with `higher` the other way round.

    Attributes:
        text: the statement.
        score: its name, or how it begins.
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

    Attributes:
        sweeps: how `choices.sweep` begins in the records.
        values: {optimizer: {field of config.optimizer: value}}.
    """

    sweeps: str
    values: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Item:
    """A table or figure.

    Attributes:
        kind: Table or Figure.
        number: as "2-2".
        title: its subject.
        shows: the thesis's statement about it.
        command: that makes ours.
        design: a table of published scores.
        study: our studies' numbers.
        statements: of the thesis, which our studies decide.
        settings: of a table of settings.
        scale: in what our studies or figures differ from the thesis's; empty: in nothing.
        in_tests: the test that checks it exactly, as "losses/test_x.py::test_y".
    """

    kind: str
    number: str
    title: str
    shows: str = ""
    command: str = ""
    design: Design | None = None
    study: StudyTable | None = None
    statements: tuple[Statement, ...] = ()
    settings: Settings | None = None
    scale: str = ""
    in_tests: str = ""

    @property
    def name(self) -> str:
        """ "Table 2-2"."""
        return f"{self.kind} {self.number}"

    @property
    def chapter(self) -> int:
        """Its chapter."""
        return int(self.number[0])


def _study(name: str, **more: Any) -> dict[str, Any]:
    return {"choices.study": name} | more


def _of(study: str, **choices: str) -> dict[str, Any]:
    return _study(study) | {f"choices.{name}": value for name, value in choices.items()}


# Chapter 2 ----------------------------------------------------------------------------------------

_PLANE = "lipschitz_methods"
_MAXGP = _of(_PLANE, penalty="maxgp")
_FIGURE_2_2 = StudyTable(
    _study(_PLANE),
    ("penalty",),
    ("cosine", "k_error", "objective_gap", "oscillation"),
)
_NEARER = "MaxGP comes nearer to the optimum than the gradient penalty: "
_STATEMENTS_2_2 = (
    Statement(
        "Spectral normalisation does not reach the optimum: its gradients are further from the "
        "optimal directions than MaxGP's (cosine)",
        "cosine", _of(_PLANE, penalty="spectral"), _MAXGP,
    ),
    Statement(
        f"{_NEARER}error of the Lipschitz constant", "k_error", _MAXGP, _of(_PLANE, penalty="gp")
    ),
    Statement(
        f"{_NEARER}objective above the optimum",
        "objective_gap", _MAXGP, _of(_PLANE, penalty="gp"),
    ),
    Statement(
        "The gradient penalty oscillates where MaxGP converges (movement of the gradient in the "
        "last tenth of the steps)",
        "oscillation", _MAXGP, _of(_PLANE, penalty="gp"),
    ),
)  # fmt: skip
_UNINFORMATIVE = StudyTable(
    _study("gradient_uninformativeness"),
    ("study.setting",),
    ("transport_agreement", "optimum_error"),
    ("study.layout",),
)
_2_1_SCALE = "3,000 steps of 64 samples, one seed; the thesis does not say how many steps"
_OF_2_2 = "drawn from the runs of Table 2-2: see there"
_MLP = "that the optimal critic's gradient says nothing of where the reals are, with "


def _samples(number: str, of: str) -> Item:
    return Item(
        "Figure", number, f"samples of LGANs, {of}", "Samples of each objective.",
        f"python scripts/figures.py figure={number} run_dirs=[...]",
    )  # fmt: skip


_CHAPTER_2 = (
    Item(
        "Table", "2-1", "the objectives of GANs compared",
        "The optimal critic of each objective; where its gradient vanishes or is uninformative; "
        "whether it is unique.",
    ),
    Item(
        "Table", "2-2", "objectives on unsupervised image generation",
        "LGANs score better than WGAN; exp and x + sqrt(x² + 1) are the best of six close ones.",
        "make table-2-2-run table-2-2\nmake table-2-2-small  # in small", TABLE_2_2,
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
        "make chapter-2-run chapter-2", study=_UNINFORMATIVE, scale=_2_1_SCALE,
    ),
    Item(
        "Figure", "2-2", "penalties in the plane",
        "Spectral normalisation converges, but not to the optimum; the gradient penalty "
        "oscillates; MaxGP converges to the optimum.",
        "make chapter-2-run chapter-2", study=_FIGURE_2_2, statements=_STATEMENTS_2_2,
        scale="6,000 steps, ten random instances where the thesis draws one, networks of our size",
    ),
    Item(
        "Figure", "2-3", "penalties on ten images",
        "Along MaxGP's gradients noise becomes one image; along the gradient penalty's, a mixture.",
        "make chapter-2-run chapter-2",
        study=StudyTable(
            _study("ten_images"), ("penalty",), ("left_over", "cosine", "hit_rate"), ("loss",)
        ),
        statements=(
            Statement(
                "Along MaxGP's gradient less of the way to an image is left than along the "
                "gradient penalty's",
                "left_over", _of("ten_images", penalty="maxgp", loss="exp"),
                _of("ten_images", penalty="gp", loss="exp"),
            ),
        ),
        scale="1,200 steps, one seed, other images of CIFAR-10 than the thesis's ten",
    ),
    Item(
        "Figure", "2-4", "directions of the optimal critic's gradient in the plane",
        "Each generated sample's gradient points at a real sample.",
        "make chapter-2-run chapter-2",
        study=StudyTable(
            _study("gradient_direction"), ("loss",), ("cosine", "hit_rate", "k_error")
        ),
        scale="4,000 steps, a network of 4×256 units (author's program: 4×1024), two seeds",
    ),
    Item(
        "Figure", "2-5", "the optimal critic's gradient on ten images",
        "Along its gradient each noise image becomes a real one.",
        "make chapter-2-run chapter-2",
        scale="1,200 steps, one seed, other images of CIFAR-10 than the thesis's ten",
    ),
    Item("Figure", "2-6", "the critic is more stable in LGANs",
         "WGAN's critic drifts by an offset, that of LGANs does not."),
    Item("Figure", "2-7", "FID over training", "LGANs' FID falls below WGAN's during training.",
         "make table-2-2\nmake table-2-2-small  # in small", scale=_OF_2_2),
    *(
        Item("Figure", f"2-{8 + index}", "uninformative gradients: " + words,
             f"It shows {_MLP}{words}.", "make chapter-2-run chapter-2", scale=_2_1_SCALE)
        for index, words in enumerate((
            "Adam 1e-5, ReLU, 1×1024 units", "Adam 1e-2, ReLU, 4×1024 units",
            "Adam 1e-5, ReLU, 4×1024 units", "SGD 1e-3, SELU, 64×128 units",
            "SGD 1e-4, SELU, 64×128 units",
        ))
    ),
    Item("Figure", "2-13", "phi and varphi of the objectives",
         "The functions of Table 2-2 that meet (2-11), drawn.",
         "python scripts/figures.py figure=2-13",
         in_tests="reporting/test_reporting_figures.py::test_figure_2_13_plots_the_formulas"),
    Item("Figure", "2-14", "IS over training on CIFAR-10", "LGANs' IS rises above WGAN's.",
         "make table-2-2\nmake table-2-2-small  # in small", scale=_OF_2_2),
    Item("Figure", "2-15", "IS over training on Tiny-ImageNet", "As Figure 2-14.",
         "make table-2-2", scale=_OF_2_2),
    _samples("2-16", "CIFAR-10"),
    _samples("2-17", "Tiny-ImageNet"),
    _samples("2-18", "Oxford-102 by the text, Tiny-ImageNet by the caption"),
    Item("Figure", "2-19", "the gradient at Gaussian samples and ten images",
         "Gradients at samples of a Gaussian point at real images, too."),
)  # fmt: skip


# Chapter 3 ----------------------------------------------------------------------------------------

_ADAM = {"lr": 1e-3, "betas": [0.0, 0.999]}
_SHIFT = {"lr": 1e-2, "betas": [0.0, 0.999], "n": 1}
_WITH_MOMENTUM = {"lr": 1e-3, "betas": [0.9, 0.999]}
_CORRELATION = "40 epochs and one seed; the thesis's network and settings are not known"


def _correlation(number: str, title: str, scores: tuple[str, ...], published: str) -> Item:
    table = StudyTable(
        _study("correlation"), ("study.activation",), scores, published={scores[0]: published}
    )
    return Item("Table", number, title, f"Published: {published}.", "make chapter-3-run chapter-3",
                study=table, scale=_CORRELATION)  # fmt: skip


def _sweeps(table: str, *names: str) -> str:
    """The commands of a table of settings, a line each."""
    return "\n".join(f"python scripts/study.py sweep={table}_{name}" for name in names)


def _curves(number: str, title: str, shows: str) -> Item:
    return Item("Figure", number, title, shows, f"python scripts/figures.py figure={number}",
                scale="in small: see the table of its settings")  # fmt: skip


_COUNTER = _study("counterexample")
_CHAPTER_3 = (
    _correlation("3-1", "correlation of gradients over time", ("temporal",),
                 "below 0.002 in size at every lag"),
    _correlation("3-2", "correlation between coordinates", ("spatial", "adam"),
                 "about 0; of g² with Adam's v 0.4359"),
    _correlation("3-3", "g² and v of AdaShift without the spatial operation",
                 ("non_adashift_current", "non_adashift_shifted"), "-0.0107 to -0.0110"),
    _correlation("3-4", "g² and v of AdaShift with the spatial operation",
                 ("max_adashift_current", "max_adashift_shifted"), "-0.0005 to -0.0008"),
    Item("Table", "3-5", "settings of logistic regression on MNIST",
         command=_sweeps("table_3_5", "sgd", "adam", "adashift_none", "adashift"),
         settings=Settings("table_3_5", {
             "sgd": {"lr": 0.1}, "adam": _ADAM, "amsgrad": _ADAM,
             "adashift_none": _ADAM | {"n": 1}, "adashift": _SHIFT,
         })),
    Item("Table", "3-6", "settings of a network on MNIST",
         command=_sweeps("table_3_6", "sgd", "adam", "adashift_none", "adashift"),
         settings=Settings("table_3_6", {
             "sgd": {"lr": 1e-3}, "adam": _ADAM, "amsgrad": _ADAM,
             "adashift_none": {"lr": 5e-4, "betas": [0.0, 0.999], "n": 1}, "adashift": _SHIFT,
         })),
    Item("Table", "3-7", "settings of WGAN-GP's critic alone",
         command=_sweeps("table_3_7", "adam", "adashift"),
         settings=Settings("table_3_7", {
             "adam": {"lr": 1e-5, "betas": [0.0, 0.999]},
             "amsgrad": {"lr": 1e-5, "betas": [0.0, 0.999]},
             "adashift": {"lr": 1.5e-4, "betas": [0.0, 0.999], "n": 1},
         })),
    Item("Table", "3-8", "settings of machine translation"),
    Item("Table", "3-9", "settings of classifiers on CIFAR-10 and Tiny-ImageNet",
         command=_sweeps(
             "table_3_9", "resnet_adam", "resnet_adashift", "densenet_adam", "densenet_adashift"
         ),
         settings=Settings("table_3_9", {
             "adam": _WITH_MOMENTUM, "amsgrad": _WITH_MOMENTUM,
             "adashift": {"lr": 1e-2, "betas": [0.9, 0.999], "n": 10},
         })),
    Item(
        "Figure", "3-1", "the stochastic counterexample to Adam",
        "Adam moves θ up, which is wrong; AMSGrad and AdaShift move it down, AdaShift faster.",
        "make chapter-3-run chapter-3",
        study=StudyTable(_COUNTER, ("study.C",), ("theta_adam", "theta_amsgrad", "theta_adashift")),
        statements=(
            Statement("Adam moves θ up", "theta_adam", _COUNTER, higher=True),
            Statement("AMSGrad moves θ down", "theta_amsgrad", _COUNTER),
            Statement("AdaShift moves θ down", "theta_adashift", _COUNTER),
            Statement("AdaShift moves θ further down than AMSGrad",
                      "theta_adashift", _COUNTER, _COUNTER, "theta_amsgrad"),
            Statement("β1 = 0.9 does not help Adam", "theta_adam_beta1_0_9", _COUNTER, higher=True),
            Statement("A large enough β1 (0.9999) does", "theta_adam_beta1_0_9999", _COUNTER),
            Statement("A large enough β2 (0.9999) does", "theta_adam_beta2_0_9999", _COUNTER),
        ),
    ),
    Item(
        "Figure", "3-2", "logistic regression on MNIST",
        "All optimizers are close in training speed and in generalisation.",
        "make chapter-3-run chapter-3",
        study=StudyTable(
            {"choices.study": "classification", "study.network": "logistic"},
            ("optimizer",), ("train_loss", "test_accuracy"),
        ),
        scale="20 epochs, three seeds; the thesis's length is not printed",
    ),
    _curves("3-3", "a network on MNIST",
            "Max-AdaShift reaches the lowest training loss; without the spatial operation AdaShift "
            "wobbles a little."),
    _curves("3-4", "ResNet on CIFAR-10", "AMSGrad is behind; Adam and AdaShift are close."),
    _curves("3-5", "DenseNet on CIFAR-10", "AMSGrad is behind; Adam and AdaShift are close."),
    _curves("3-6", "DenseNet on Tiny-ImageNet",
            "Adam and AdaShift train alike; AdaShift has the better test accuracy."),
    _curves("3-7", "a GAN's critic, and a recurrent network",
            "AdaShift is clearly better than Adam at the critic, AMSGrad worse; its BLEU is higher "
            "than both."),
    Item("Figure", "3-8", "critical β1, β2 and C",
         "Larger β1 and β2 need a larger C before Adam goes the wrong way.",
         "make chapter-3-run chapter-3",
         study=StudyTable(_study("critical_betas"), ("study.C",),
                          ("sequential_right", "stochastic_right")),
         scale="a grid of 21×21 values of our choice"),
    *(
        Item("Figure", number, title)
        for number, title in (
            ("3-9", "temporal shift or spatial operation alone: ResNet on CIFAR-10"),
            ("3-10", "temporal shift or spatial operation alone: DenseNet on CIFAR-10"),
            ("3-11", "sensitivity to the learning rate: ResNet on CIFAR-10"),
            ("3-12", "sensitivity to the learning rate: DenseNet on CIFAR-10"),
            ("3-13", "sensitivity to β1 and β2: ResNet on CIFAR-10"),
            ("3-14", "sensitivity to β1 and β2: DenseNet on CIFAR-10"),
            ("3-15", "sensitivity to n: DenseNet on Tiny-ImageNet"),
            ("3-16", "sensitivity to m: DenseNet on Tiny-ImageNet"),
            ("3-17", "sensitivity to n and m: machine translation"),
            ("3-18", "more optimizers: ResNet on CIFAR-10"),
            ("3-19", "more optimizers: DenseNet on CIFAR-10"),
            ("3-20", "more optimizers: DenseNet on Tiny-ImageNet"),
        )
    ),
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
_OF_4_1 = "make table-4-1\nmake table-4-1-small  # in small"
_CHAPTER_4 = (
    Item("Table", "4-1", "models with class labels",
         "AM-GAN is the best in every setting; AC-GAN+ is better than AC-GAN.",
         "make table-4-1-run table-4-1\nmake table-4-1-small  # in small", TABLE_4_1),
    Item("Table", "4-2", "largest class mean of MS-SSIM",
         "AC-GAN collapses within classes, the others do not.",
         "make table-4-2\nmake table-4-1-small  # in small", TABLE_4_2),
    Item("Table", "4-3", "AM-GAN beside related work",
         "AM-GAN with a wider critic scores 8.91, above every other work, Splitting GAN's 8.87 "
         "among them.",
         "make table-4-3-run table-4-3", TABLE_4_3),
    Item("Figure", "4-1", "gradients that overlay each other (a drawing)",
         "A sample that is drawn to two classes at once moves to neither.",
         in_tests=f"{_IDENTITIES}test_overlaid_gradients_may_cancel"),
    Item("Figure", "4-2", "AM-GAN beside AC-GAN (a drawing)",
         "AM-GAN is LabelGAN and an auxiliary classifier; AC-GAN is GAN and one.",
         in_tests=f"{_IDENTITIES}test_lemma_4_2"),
    Item("Figure", "4-3", "IS and its terms over training",
         "H(mean C) falls during training, which its reading as diversity does not allow.",
         _OF_4_1, scale=_RUNS_4_1),
    Item("Figure", "4-4", "what classifiers say of CIFAR-10's training images",
         "Under the ImageNet classifier classes differ in entropy; under CIFAR-10's own 99.6% of "
         "the images have an entropy below 0.05.",
         "python scripts/evaluate.py data_statistics=true",
         scale="JPEG copies of CIFAR-10, and a classifier of ours"),
    Item("Figure", "4-5", "real images by entropy",
         "Images at three levels of entropy under the Inception network look alike in quality.",
         "python scripts/evaluate.py data_statistics=true",
         scale="JPEG copies of CIFAR-10, and a classifier of ours in place of Inception"),
    Item("Figure", "4-6", "IS where modes are dropped",
         "The score rises with the number of modes that are kept.",
         "python scripts/figures.py figure=4-6",
         in_tests="reporting/test_reporting_figures.py::"
         "test_uniform_modes_score_exactly_the_number_kept"),
    Item("Figure", "4-7", "AM and its terms over training", "AM falls smoothly, and so do its "
         "terms.", _OF_4_1, scale=_RUNS_4_1),
    Item("Figure", "4-8", "training curves of the models", "AM tells the models apart more "
         "smoothly than IS does.", _OF_4_1, scale=_RUNS_4_1),
    *(
        Item("Figure", f"4-{9 + index}", f"samples of {of}",
             command=f"python scripts/figures.py figure=4-{9 + index} run_dirs=[...]",
             scale=_RUNS_4_1)
        for index, of in enumerate(_SAMPLES_4)
    ),
)  # fmt: skip

ITEMS = (*_CHAPTER_2, *_CHAPTER_3, *_CHAPTER_4)
