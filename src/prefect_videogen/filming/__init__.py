"""From stored clips to a film, and everything that is left behind with it."""

from prefect_videogen.filming.delivering import deliver, finish
from prefect_videogen.filming.making import FILM_SCHEMA, make_film
from prefect_videogen.filming.manifest import Manifest
from prefect_videogen.filming.model import Film, FilmPart, Missing
from prefect_videogen.filming.parts import parts_of

__all__ = [
    "FILM_SCHEMA",
    "Film",
    "FilmPart",
    "Manifest",
    "Missing",
    "deliver",
    "finish",
    "make_film",
    "parts_of",
]
