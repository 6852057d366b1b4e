"""A CSV file of sentences, each with a class; its words become numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, default_collate

from src.console.messages import UserError, nearest
from src.datasets.classes import renumbered
from src.datasets.contract import TargetKind

PADDING, UNKNOWN = 0, 1  # what fills up a short sentence; a word that the vocabulary lacks
FIRST = 2  # the number of the vocabulary's first word


class Sentences(Dataset):
    """x (T,), int64, the numbers of T words, and the class number. The vocabulary is that of the training examples.

    Args:
        path: a CSV file with the columns `text` and `target`.
        vocabulary_size: how many numbers there are: of padding, unknown words, and the words that come most often.

    Raises:
        UserError: a column that the file lacks, or fewer than three numbers.
    """

    input_shape = (None,)

    def __init__(self, path: str, text: str, target: str, vocabulary_size: int) -> None:
        if vocabulary_size <= FIRST:
            raise UserError(f"vocabulary_size={vocabulary_size}: padding and unknown words need {FIRST} of it alone.")
        table = read_columns(path, [text, target])
        self.path, self.text, self.target, self.size = path, text, target, vocabulary_size
        self.sentences = table[text].tolist()
        self.classes = sorted(set(table[target]))
        self.labels = torch.tensor([self.classes.index(name) for name in table[target]])
        self.vocabulary: list[str] = []

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return encode(self.sentences[index], self.numbers), self.labels[index]

    def collate(self, examples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """x (B, T), where T is the number of words of the longest sentence, and y (B,)."""
        x, y = zip(*examples, strict=True)
        return padded(x), default_collate(list(y))

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Number the classes as a finished run does. Raises UserError if it does not know one of them."""
        if classes is not None:
            self.labels = renumbered(self.labels, self.classes, classes, self.path, self.target)
            self.classes = classes

    def fit(self, indices: Tensor) -> None:
        """Learn the words of these examples."""
        counts = Counter(word for index in indices.tolist() for word in words(self.sentences[index]))
        self._take([word for word, _ in counts.most_common(self.size - FIRST)])

    def restore(self, reader: dict[str, Any]) -> None:
        """Take a finished run's words. Raises UserError if it has learnt from other data."""
        if "vocabulary" not in reader:
            raise UserError(f"path={self.path} holds sentences, but the run has learnt from none.")
        self._take(reader["vocabulary"])

    def _take(self, vocabulary: list[str]) -> None:
        self.vocabulary, self.numbers = vocabulary, numbered(vocabulary)

    @property
    def reader(self) -> dict[str, Any]:
        """Reads new sentences with the same words."""
        target = "examples.texts.sentences.SentenceReader"
        return {"_target_": target, "text": self.text, "vocabulary": self.vocabulary}


class SentenceReader:
    """Reads a CSV file of new sentences, in its column `text`."""

    def __init__(self, text: str, vocabulary: list[str]) -> None:
        self.text, self.numbers = text, numbered(vocabulary)

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Yield rows as they are written in the file, x (B, T), and the share that has been read.

        Raises:
            UserError: the file lacks the column.
        """
        table = read_columns(path, [self.text])
        for start in range(0, len(table), batch_size):
            rows = table.iloc[start : start + batch_size]
            yield rows, padded(encode(text, self.numbers) for text in rows[self.text]), (start + len(rows)) / len(table)


def read_columns(path: str, names: list[str]) -> pd.DataFrame:
    """All columns of a CSV file, as texts.

    Raises:
        UserError: one of `names` is not there.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = [str(name) for name in table]
    for name in names:
        if name not in columns:
            raise UserError(f"{path} has no column {name}, but {', '.join(columns)}.{nearest(name, columns)}")
    return table


def words(sentence: str) -> list[str]:
    """Its words and marks, without capitals."""
    return re.findall(r"\w+|[^\w\s]", sentence.lower())


def numbered(vocabulary: list[str]) -> dict[str, int]:
    """Word -> its number."""
    return {word: number for number, word in enumerate(vocabulary, start=FIRST)}


def encode(sentence: str, numbers: dict[str, int]) -> Tensor:
    """The numbers of its words, (T,); of an empty sentence that of an unknown word."""
    return torch.tensor([numbers.get(word, UNKNOWN) for word in words(sentence)] or [UNKNOWN])


def padded(x: Iterable[Tensor]) -> Tensor:
    """Sentences of varying length -> (B, T)."""
    return pad_sequence(list(x), batch_first=True, padding_value=PADDING)
