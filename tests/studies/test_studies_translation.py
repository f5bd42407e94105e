"""Table 3-8 and Figure 3-7b: the made-up language, and the LSTM that translates it."""

import functools
import io
import math

import numpy as np
import pytest
import torch

from gan_lab.errors import UserError
from gan_lab.optim import AdaShift
from gan_lab.studies.translation import Language, Translation, Translator

FIELDS = {
    "vocabulary": 4, "length": 3, "hidden": 16, "batch_size": 32, "max_steps": 8, "tests": 2,
}  # fmt: skip
ADASHIFT = functools.partial(AdaShift, lr=1e-2, n=3)


def begun(optimizer=ADASHIFT, **fields):
    study = Translation(optimizer, **{**FIELDS, **fields})
    study.begin(seed=0)
    return study


def run(study, first=1):
    for number in range(first, study.steps + 1):
        study.step(number)
    return study.result()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(weights, x, state):
    """An LSTM's step by its equations, gates in torch's order: input, forget, cell, output."""
    h, c = state
    w_ih, w_hh, b_ih, b_hh = weights
    i, f, g, o = np.split(w_ih @ x + b_ih + w_hh @ h + b_hh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_a_translation_is_word_by_word_from_behind():
    language = Language(vocabulary=4, length=3)
    assert sorted(language.words.tolist()) == [0, 1, 2, 3]
    a, b, c = (int(language.words[word]) for word in (2, 0, 3))
    assert language.translate(torch.tensor([[2, 0, 3]])).tolist() == [[c, b, a]]


def test_the_translator_is_two_lstms_by_their_equations():
    """Teacher forcing: the word before is the right one; in translation it is the one written."""
    torch.manual_seed(0)
    network = Translator(vocabulary=4, hidden=5)
    read, written, output, bias = (
        weight.detach().numpy()
        for weight in (
            network.read.weight, network.written.weight, network.output.weight, network.output.bias
        )
    )  # fmt: skip
    encoder, decoder = (
        [weight.detach().numpy() for weight in lstm.parameters()]
        for lstm in (network.encoder, network.decoder)
    )
    sentence, right = [2, 0, 3], [1, 1, 0]
    state = np.zeros(5), np.zeros(5)
    for word in sentence:
        state = cell(encoder, read[word], state)

    after, logits = state, []
    for before in (4, *right[:2]):
        after = cell(decoder, written[before], after)
        logits.append(output @ after[0] + bias)
    found = network(torch.tensor([sentence]), torch.tensor([right]))[0]
    np.testing.assert_allclose(found.detach().numpy(), logits, rtol=1e-4, atol=1e-5)

    after, word, words = state, 4, []
    for _ in sentence:
        after = cell(decoder, written[word], after)
        word = int((output @ after[0] + bias).argmax())
        words.append(word)
    assert network.translate(torch.tensor([sentence])).tolist() == [words]


@pytest.mark.thorough
def test_it_learns_and_is_tested_on_sentences_of_its_own():
    """Chance is one word in four, and a loss of log 4."""
    study = begun(functools.partial(torch.optim.Adam, lr=1e-2), max_steps=150, tests=3)
    result = run(study)
    assert result.drawn["test_steps"] == [50, 100, 150]
    assert result.drawn["train_loss"][0] == pytest.approx(math.log(4), abs=0.3)
    assert result.scores["word_accuracy"] > 0.9
    correct = study.network.translate(study.held_out) == study.language.translate(study.held_out)
    assert result.scores["word_accuracy"] == pytest.approx(float(correct.float().mean()))
    assert result.scores["sentence_accuracy"] == pytest.approx(float(correct.all(1).float().mean()))


def test_gradients_are_clipped(monkeypatch):
    monkeypatch.setattr("gan_lab.studies.translation.LARGEST_GRADIENT", 1e-3)
    study = begun()
    study.step(1)
    squares = [parameter.grad.square().sum() for parameter in study.network.parameters()]
    assert float(torch.stack(squares).sum().sqrt()) == pytest.approx(1e-3, rel=1e-2)


def test_a_resumed_study_ends_as_one_that_was_not_stopped():
    whole = begun()
    file = io.BytesIO()
    for number in range(1, whole.steps + 1):
        whole.step(number)
        if number == 5:
            torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = begun()
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert run(resumed, first=6) == whole.result()


@pytest.mark.parametrize(
    ("field", "value"),
    [("vocabulary", 1), ("length", 0), ("hidden", 0), ("batch_size", 0), ("max_steps", 0), ("tests", 9)],
)  # fmt: skip
def test_a_bad_field_is_refused_by_its_name(field, value):
    with pytest.raises(UserError, match=field):
        begun(**{field: value})
