"""From stored clips to a film, and everything that is left behind with it."""

from prefect_videogen.filming.making import (
    FILM_SCHEMA,
    Film,
    FilmPart,
    Missing,
    deliver,
    finish,
    make_film,
    parts_of,
)

__all__ = [
    "FILM_SCHEMA",
    "Film",
    "FilmPart",
    "Missing",
    "deliver",
    "finish",
    "make_film",
    "parts_of",
]
