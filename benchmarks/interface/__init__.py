"""How smooth napari stays while an image is encoded, and how soon an edit shows.

Run it from the top of the repository, with the packages of the ``test`` extra, on a screen::

    scripts/with-display python -m benchmarks.interface --json benchmarks/results/interface_cpu.json

``scripts/with-display`` brings a virtual screen where there is none (Linux); its picture is drawn
by the processor, which the report names as the renderer and which a real graphics card does not
need. Nothing is downloaded. Nothing else should run at the same time. ``--device cuda`` does the
same with the networks on a GPU, ``--only edit`` needs no screen, ``--quick`` takes a tiny network
to see that the benchmark itself works. It ends with 1 if a target is missed.

**Frames** (`benchmarks.interface.frames`). A real viewer with a picture and a labels layer is
panned and zoomed without pause: alone, while a thread encodes the picture the way the dock's worker
does (`napari_itaclip.session.worker_thread.prepare_thread`), and while an ordinary thread does. The
three take turns. What is counted are drawn frames per second and the longest time in which the
event loop did not come round, and also what the panning costs the encoding.

**Edits** (`benchmarks.interface.edits`). How long after a change of the vocabulary its labels are
there, 20 classes on 512x512 pixels, features at hand: unrefined and refined for words that are
known, with a few templates and with all of them for a word that is new. Times count from the edit,
the stages one after the other. ``measure_latency`` times the same edits through any other door, the
whole dock for one.

The networks are the demo model and a ViT-B/16 of random weights, in every number format that the
device computes fast.
"""
