"""Catalogues of the known sky, kept in files of AstrID's home: no network, no database."""
