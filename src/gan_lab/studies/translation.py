"""Table 3-8 and Figures 3-7b and 3-17 in small: optimizers on an LSTM that translates.

The thesis translates between languages; here one is made up, so that nothing has to be downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.optim.base import moves
from gan_lab.studies.classifiers import BlockMeans
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.training.randomness import fold, generator_for

HELD_OUT = 512  # sentences
LARGEST_GRADIENT = 5.0  # the norm to which gradients are clipped, as is usual in translation
LANGUAGE = 0  # the seed of the two languages, whatever that of the study is


class Language:
    """A language of sentences of equal length, and its translation: word by word, from behind.

    Args:
        vocabulary: how many words there are.
        length: words in a sentence.

    Examples:
        >>> from gan_lab.studies.translation import Language
        >>> language = Language(vocabulary=5, length=3)
        >>> sentence = language.sentences(1, language.rng("example"))
        >>> bool((language.words[sentence].flip(1) == language.translate(sentence)).all())
        True
    """

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length
        self.words = torch.randperm(vocabulary, generator=self.rng("language"))

    def rng(self, purpose: str) -> torch.Generator:
        """For what is the same in all studies."""
        return generator_for(LANGUAGE, purpose)

    def sentences(self, count: int, rng: torch.Generator) -> Tensor:
        """Words drawn uniformly, (count, length) int64."""
        return torch.randint(self.vocabulary, (count, self.length), generator=rng)

    def translate(self, sentences: Tensor) -> Tensor:
        """The one right translation of each, (n, length)."""
        return self.words[sentences].flip(1)


class Translator(nn.Module):
    """An LSTM reads a sentence, and another writes the translation from its last state.

    Args:
        vocabulary: of both languages.
        hidden: units of each LSTM, and numbers in the embedding of a word.
    """

    def __init__(self, vocabulary: int, hidden: int) -> None:
        super().__init__()
        self.start = vocabulary  # a word of its own, before the first
        self.read = nn.Embedding(vocabulary, hidden)
        self.written = nn.Embedding(vocabulary + 1, hidden)
        self.encoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, sentences: Tensor, translations: Tensor) -> Tensor:
        """Logits of each word given those before it: twice (n, length) -> (n, length, V)."""
        _, state = self.encoder(self.read(sentences))
        start = torch.full_like(translations[:, :1], self.start)
        before = torch.cat([start, translations[:, :-1]], dim=1)
        hidden, _ = self.decoder(self.written(before), state)
        logits: Tensor = self.output(hidden)
        return logits

    @torch.no_grad()
    def translate(self, sentences: Tensor) -> Tensor:
        """The likeliest word after each word written, (n, length) -> (n, length)."""
        _, state = self.encoder(self.read(sentences))
        word = torch.full_like(sentences[:, :1], self.start)
        words = []
        for _ in range(sentences.shape[1]):
            hidden, state = self.decoder(self.written(word), state)
            word = self.output(hidden).argmax(2)
            words.append(word)
        return torch.cat(words, dim=1)


class Translation(Study):
    """Train a translator by one optimizer, on new sentences in every step.

    Args:
        optimizer: of the translator.
        vocabulary: words of each language.
        length: words in a sentence.
        hidden: units of each LSTM.
        batch_size: sentences in a step.
        max_steps: of the optimizer.
        tests: how often held-out sentences are translated.

    Source:
        Thesis 3.5.5, Table 3-8 and Figures 3-7b and 3-17, of which it has the optimizers' settings.
    """

    def __init__(
        self,
        optimizer: OptimizerFactory,
        *,
        vocabulary: int,
        length: int,
        hidden: int,
        batch_size: int,
        max_steps: int,
        tests: int,
    ) -> None:
        checks.whole("vocabulary", vocabulary, at_least=2)
        checks.whole("length", length, at_least=1)
        self.language = Language(vocabulary, length)
        self.hidden = checks.whole("hidden", hidden, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        self.steps = checks.whole("max_steps", max_steps, at_least=1)
        checks.whole("tests", tests, at_least=1)
        checks.number("tests", tests, at_most=max_steps)
        self.tests, self.optimizer_of = tests, optimizer

    def begin(self, seed: int) -> None:
        """The translator, its weights from the seed; the sentences that it is tested on."""
        self.seed = seed
        torch.manual_seed(fold(seed, "initial weights"))
        self.network = Translator(self.language.vocabulary, self.hidden).to(self.device)
        self.optimizer = self.optimizer_of(self.network.parameters())
        self.held_out = self.language.sentences(HELD_OUT, self.language.rng("held out"))
        self.curve = BlockMeans(["train_loss"], self.steps)
        self.words: list[float] = []
        self.sentences: list[float] = []

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the optimizer, with gradients clipped; a test at even distances."""
        rng = generator_for(self.seed, "sentences", number)
        sentences = self.language.sentences(self.batch_size, rng)
        right = self.language.translate(sentences).to(self.device)

        # extra_adam takes two gradients of a step, each on the same sentences
        for move in moves(self.optimizer):
            logits = self.network(sentences.to(self.device), right)
            loss = F.cross_entropy(logits.flatten(0, 1), right.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
            move()

        # the curves
        values = {"train_loss": loss.detach()}
        self.curve.add(number, values)

        # held-out sentences, each word translated after those that it wrote itself
        if number in self.tested:
            found = self.network.translate(self.held_out.to(self.device)).cpu()
            correct = found == self.language.translate(self.held_out)
            self.words.append(float(correct.double().mean()))
            self.sentences.append(float(correct.all(1).double().mean()))
        return values

    @property
    def tested(self) -> list[int]:
        """The steps after which held-out sentences are translated."""
        return [-(-i * self.steps // self.tests) for i in range(1, self.tests + 1)]

    def state_dict(self) -> dict[str, Any]:
        """The states of network and optimizer, and the curves so far."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "curve": self.curve.sums,
            "words": self.words,
            "sentences": self.sentences,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve.sums = state["curve"]
        self.words, self.sentences = list(state["words"]), list(state["sentences"])

    def result(self) -> Result:
        """The shares of held-out words and of whole sentences that are right, and both curves."""
        train_loss = self.curve.means()["train_loss"]
        return Result(
            scores={
                "train_loss": train_loss[-1],
                "word_accuracy": self.words[-1],
                "sentence_accuracy": self.sentences[-1],
            },
            drawn={
                "steps": self.curve.ends(),
                "train_loss": train_loss,
                "test_steps": self.tested,
                "word_accuracy": self.words,
                "sentence_accuracy": self.sentences,
            },
        )
