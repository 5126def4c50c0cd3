"""Lets ``python -m napari_itaclip`` stand for the command ``napari-itaclip``."""

from __future__ import annotations

from napari_itaclip.cli import main

if __name__ == "__main__":
    main()
