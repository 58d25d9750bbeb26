"""Cells: numbers and time stamps as text, in every form that operators and spreadsheets write."""
