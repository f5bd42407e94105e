"""Tables 3-1 to 3-4: streaming correlations against a stored history."""

import functools
import io

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.data import Digits, load
from gan_lab.errors import UserError
from gan_lab.studies.correlation import LAGS, TABLES, Correlation, RunningPearson

FIELDS = {
    "activation": "relu", "batch_size": 128, "epochs": 4, "epochs_measured": 2,
    "coordinates": 40, "pairs": 30, "beta2": 0.9,
}  # fmt: skip
ADAM = functools.partial(torch.optim.Adam, lr=1e-3, betas=(0.0, 0.9))


@pytest.fixture(scope="module")
def digits(data_cache):
    return load(Digits(), data_cache)


def begun(digits, seed=0, **fields):
    study = Correlation(ADAM, digits, **{**FIELDS, **fields})
    study.begin(seed)
    return study


def test_running_pearson_is_that_of_the_stored_samples():
    rng = np.random.default_rng(0)
    x = rng.normal(1e3, 1.0, (50, 3, 4))  # far from 0: sums of squares would cancel
    y = 0.5 * x + rng.normal(size=x.shape)
    pearson = RunningPearson((3, 4))
    for a, b in zip(x, y, strict=True):
        pearson.add(torch.tensor(a), torch.tensor(b))
    expected = [[np.corrcoef(x[:, i, j], y[:, i, j])[0, 1] for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(pearson.correlation().numpy(), expected, rtol=1e-9)


def test_running_pearson_broadcasts_a_sample_and_knows_what_never_varied():
    """X = 1, 2, 3 beside Y = 1, 2, 3 and Y = 3, 2, 1 and Y = 5: ρ = 1, -1 and none."""
    pearson = RunningPearson((3,))
    for x, y in ((1.0, (1.0, 3.0, 5.0)), (2.0, (2.0, 2.0, 5.0)), (3.0, (3.0, 1.0, 5.0))):
        pearson.add(torch.tensor(x), torch.tensor(y))
    first, second, third = pearson.correlation().tolist()
    assert (first, second) == (pytest.approx(1.0), pytest.approx(-1.0))
    assert np.isnan(third)


def test_every_table_is_that_of_the_whole_history(digits):
    """The gradients of all steps are stored, and each v is made from its definition."""
    study = begun(digits)
    history, largest = [], []
    for number in range(1, study.steps + 1):
        study.step(number)
        gradient = study.weight.grad.flatten().double().numpy()
        history.append(gradient[study.looked_at.numpy()])
        largest.append(np.array([np.abs(gradient).max()]))
    result = study.result()
    g, beta2 = np.stack(history), FIELDS["beta2"]
    first = study.first_measured - 1  # row of the first measured step
    i, j = study.i.numpy(), study.j.numpy()

    def second(values, row, lag):
        """v of a step from gradients lag steps ago, with the correction, as AdaShift has it."""
        count = row - lag + 1
        weights = (1 - beta2) * beta2 ** np.arange(count - 1, -1, -1)
        return weights @ (np.stack(values)[:count] ** 2) / (1 - beta2**count)

    def mean_rho(x, y):
        found = [
            np.corrcoef(x[:, c], y[:, c])[0, 1]
            for c in range(x.shape[1])
            if np.ptp(x[:, c]) > 0 and np.ptp(y[:, c]) > 0
        ]
        return np.mean(found)

    rows = range(first, study.steps)
    adam = np.stack([second(history, row, 0) for row in rows])
    assert result.scores["adam"] == pytest.approx(mean_rho(g[first:] ** 2, adam), abs=1e-7)
    for lag in (1, 3, LAGS):
        before = g[first - lag : len(g) - lag]
        v = np.stack([second(history, row, lag) for row in rows])
        max_v = np.stack([second(largest, row, lag) for row in rows]) * np.ones_like(v)
        expected = {
            "temporal": mean_rho(g[first:], before),
            "spatial": mean_rho(g[first:, i], before[:, j]),
            "non_adashift_current": mean_rho(g[first:] ** 2, v),
            "non_adashift_shifted": mean_rho(before**2, v),
            "max_adashift_current": mean_rho(g[first:] ** 2, max_v),
            "max_adashift_shifted": mean_rho(before**2, max_v),
        }
        assert set(expected) == set(TABLES)
        for name, value in expected.items():
            assert result.drawn[name][lag - 1] == pytest.approx(value, abs=1e-7), (name, lag)
    assert result.drawn["samples"] == 2 * study.epoch_steps


def test_the_weights_looked_at_lie_between_the_hidden_layers(digits):
    study = begun(digits, coordinates=None)
    assert study.weight.shape == (256, 256)
    assert sorted(study.looked_at.tolist()) == list(range(256 * 256))
    assert not (study.i == study.j).any()


def test_linear_has_no_activation_and_standard_normal_parameters(digits):
    study = begun(digits, activation="linear")
    network = study.training.network
    assert not any(isinstance(layer, nn.ReLU) for layer in network)
    assert float(study.weight.detach().std()) == pytest.approx(1.0, abs=0.02)
    assert float(network[1].bias.detach().std()) == pytest.approx(1.0, abs=0.2)
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad():  # an affine map: f(a + b) = f(a) + f(b) - f(0)
        whole, zero = network(x.sum(0, keepdim=True)), network(torch.zeros(1, 1, 8, 8))
        parts = network(x).sum(0, keepdim=True) - zero
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-2)


def test_a_resumed_study_ends_as_one_that_was_not_stopped(digits):
    whole = begun(digits)
    for number in range(1, whole.steps + 1):
        whole.step(number)
        if number == 30:  # among the measured
            state = torch.load(_saved(whole.state_dict()), weights_only=True)
    assert whole.first_measured < 30
    resumed = begun(digits)
    resumed.load_state_dict(state)
    for number in range(31, resumed.steps + 1):
        resumed.step(number)
    assert resumed.result() == whole.result()


def _saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("activation", "tanh"), ("batch_size", 0), ("batch_size", 5000), ("epochs", 0),
        ("epochs_measured", 0), ("epochs_measured", 4), ("coordinates", 1), ("pairs", 0),
        ("beta2", 1.0),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_by_its_name(digits, field, value):
    with pytest.raises(UserError, match=field):
        begun(digits, **{field: value})
