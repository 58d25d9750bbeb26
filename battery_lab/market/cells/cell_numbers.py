"""Cell numbers: the cells of price files as numbers, which of them count as missing, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.market.cells.number_style import CURRENCY, NEUTRAL, NumberStyle, deciding_cell, without_currency
from battery_lab.market.file_formats.reading_context import current_reading
from battery_lab.market.file_formats.rows_with_source import row_error

Floats = NDArray[np.float64]
# Beyond any price or power in any unit: 1e15 is a billion times a large power system in MW.
LARGEST = 1e15
# In lower case. #NV is a German spreadsheet's #N/A.
MISSING = ("", "na", "n/a", "n.a.", "nan", "null", "none", "#n/a", "#na", "#nv", "-", "–")
# Files of spreadsheets of countries with a decimal comma, in which 1.234 may be 1234.
AMBIGUOUS_POINT = (";", "\t")
USUAL_LETTERS = set("0123456789.,+-eE")


def to_numbers(file: Path, rows: pd.Series, cells: pd.Series, name: str) -> Floats:
    """Convert a column to numbers.

    The decimal sign is that of ``market.decimal``, or the only one that all cells fit. Currency signs, thousands
    separators and blanks are left out; a number in brackets is negative.

    Args:
        file: the file.
        rows: (N,) the row of each cell in its file.
        cells: (N,) text or numbers.
        name: the name of the column in the file.

    Returns:
        (N,) float64, NaN where the cell is empty.

    Raises:
        DataError: a cell holds anything other than a finite number, or one beyond any price or power; or the cells fit
            a decimal comma as well as a decimal point.
    """
    values = cells.to_numpy(object)
    if pd.api.types.is_bool_dtype(cells) and len(cells):
        raise _not_a_number(file, rows, cells, 0, name)
    if isinstance(cells.dtype, pd.StringDtype):
        is_text = np.ones(len(cells), np.bool_)
        missing = cells.str.strip().str.lower().isin(MISSING).to_numpy(bool, copy=True)
    else:
        is_text = np.array([isinstance(value, str) for value in values], np.bool_)
        texts = [str(value).strip().lower() in MISSING for value in values[is_text]]
        missing = cells.isna().to_numpy(bool, copy=True)
        missing[is_text] |= np.array(texts, np.bool_)
    numbers = np.full(len(cells), np.nan)
    numbers[~is_text] = [_float(value) for value in values[~is_text]]
    known = np.flatnonzero(is_text & ~missing)
    numbers[known] = _numbers_of_text(file, rows, values, known, name)
    wrong = ~np.isfinite(numbers) & ~missing | (np.abs(numbers) > LARGEST)
    if wrong.any():
        raise _not_a_number(file, rows, cells, int(np.argmax(wrong)), name, numbers)
    return numbers


def _numbers_of_text(
    file: Path, rows: pd.Series, values: NDArray[np.object_], known: NDArray[np.intp], name: str
) -> Floats:
    texts: list[str] = [text.strip() for text in values[known]]
    reading = current_reading()
    separator = reading.separators.get(file, ",")
    if reading.decimal != "comma":
        plain = _plain_numbers(texts)
        # Elsewhere than in a spreadsheet's file, numbers have a decimal point unless something says otherwise.
        if plain is not None and (reading.decimal or separator not in AMBIGUOUS_POINT or _is_point(texts)):
            return plain
    is_usual = set("".join(texts)) <= USUAL_LETTERS
    clean = texts if is_usual else [without_currency(text) for text in texts]
    signs = sorted({} if is_usual else {found[0].strip() for text in texts if (found := CURRENCY.search(text))})
    # What is shown with a currency comes from a spreadsheet, too.
    marks = ",." if signs or separator in AMBIGUOUS_POINT else ","
    style, decided = _style(file, rows.iloc[known], clean, name, marks)
    if style.decimal == "comma":
        reading.note(file, "numbers with a decimal comma")
        if (
            "." not in "".join(clean)
            and (plain := _plain_numbers([text.replace(",", ".") for text in clean])) is not None
        ):
            return plain
    numbers = [style.number(text) for text in clean]
    if any(mark in text for text in clean for mark in NEUTRAL + style.thousands):
        reading.note(file, "numbers with thousands separators")
    wrong = [i for i, number in enumerate(numbers) if number is None and _is_other_style(clean[i], style)]
    if wrong and decided is not None:
        problem = f"{name} is {texts[wrong[0]]!r}, but {texts[decided]!r} in row {int(rows.iloc[known[decided]])}"
        remedy = f"has a decimal {style.decimal}: correct one of them"
        raise row_error(file, int(rows.iloc[known[wrong[0]]]), f"{problem} {remedy}", "A column has one decimal sign")
    if signs:
        reading.note(file, f"the currency {', '.join(signs)} in its cells is left out, and not compared")
    return np.array([np.nan if number is None else number for number in numbers], np.float64)


def _style(file: Path, rows: pd.Series, texts: list[str], name: str, marks: str) -> tuple[NumberStyle, int | None]:
    """Return the style of a column, and the cell that decided it unless the user did.

    ``marks`` are the signs that may be a decimal sign or separate thousands if no cell decides.
    """
    decimal = current_reading().decimal
    if decimal is not None:
        return NumberStyle(decimal), None
    if (found := deciding_cell(texts)) is not None:
        return found[1], found[0]
    i = next((i for i, text in enumerate(texts) if any(mark in text for mark in marks) and _is_ambiguous(text)), None)
    if i is None:
        return NumberStyle("point"), None
    numbers = [f"{NumberStyle(choice).number(texts[i]):g}" for choice in ("point", "comma")]
    problem = (
        f"{name} is {texts[i]!r}, which is {numbers[0]} with a decimal point and {numbers[1]} with a decimal comma"
    )
    remedy = "No cell of the column decides: set market.decimal=point or market.decimal=comma"
    raise row_error(file, int(rows.iloc[i]), problem, remedy)


def _is_ambiguous(text: str) -> bool:
    return all(NumberStyle(choice).number(text) is not None for choice in ("point", "comma"))


def _is_other_style(text: str, style: NumberStyle) -> bool:
    other = NumberStyle("point" if style.decimal == "comma" else "comma")
    return other.number(text) is not None


def _is_point(texts: list[str]) -> bool:
    """Return whether numbers that have a decimal point, or none, cannot have a decimal comma instead."""
    decided = deciding_cell(texts)
    return decided is not None or not any("." in text for text in texts)


def _plain_numbers(texts: list[str]) -> Floats | None:
    """Return texts as Python reads numbers; None if one of them is none."""
    # Python reads 1_2 as 12.
    if "_" in "".join(texts):
        return None
    try:
        return np.array(texts, object).astype(np.float64)
    except ValueError:
        return None


def _float(value: Any) -> float:
    try:
        return float(value)
    except (ValueError, TypeError):
        return np.nan


def _not_a_number(
    file: Path, rows: pd.Series, cells: pd.Series, i: int, name: str, numbers: Floats | None = None
) -> DataError:
    what = "beyond any price or power" if numbers is not None and np.isfinite(numbers[i]) else "not a finite number"
    remedy = "Correct the file, or leave the cell empty and choose market.gaps=fill or split"
    return row_error(file, int(rows.iloc[i]), f"{name} is {cells.iloc[i]!r}, which is {what}", remedy)
