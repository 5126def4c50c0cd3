"""Token tables that hold only the rows a text tower has learnt.

A small CLIP that saw a few hundred different tokens in training need not ship 49,408 rows: every
other token has the same meaning to it, "unknown". The compact form holds

- ``token_embedding.rows``, ``(K + 1, width)``: the learnt rows and, last, the unknown row;
- ``token_embedding.ids``, ``(K,)`` int32, ascending: the token ids of the learnt rows

in place of ``token_embedding.weight``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from napari_itaclip.errors import CheckpointError

ROWS = "token_embedding.rows"
IDS = "token_embedding.ids"
WEIGHT = "token_embedding.weight"


def expand_token_rows(state_dict: Mapping[str, Tensor], vocab_size: int) -> dict[str, Tensor]:
    """Return the state dict with a full token table.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Weights with a compact token table. Without one, a plain copy is returned.
    vocab_size : int
        Number of rows of the full table.

    Returns
    -------
    dict of str to Tensor
        ``token_embedding.weight`` is ``(vocab_size, width)``; ids that are not listed get the
        unknown row. All other tensors are passed on as they are.

    Raises
    ------
    CheckpointError
        If rows and ids do not fit together or an id lies outside the vocabulary.
    """
    full = dict(state_dict)
    if ROWS not in full:
        return full
    rows = full.pop(ROWS)
    if IDS not in full:
        raise CheckpointError(f"The checkpoint has {ROWS!r} but not {IDS!r}; it is incomplete.")
    ids = full.pop(IDS).long()
    if rows.ndim != 2 or ids.ndim != 1 or rows.shape[0] != ids.shape[0] + 1:
        raise CheckpointError(
            f"{ROWS!r} must have one row more than {IDS!r} has ids, "
            f"got shapes {tuple(rows.shape)} and {tuple(ids.shape)}."
        )
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= vocab_size):
        raise CheckpointError(f"{IDS!r} holds ids outside the vocabulary of {vocab_size} tokens.")
    if len(set(ids.tolist())) != ids.numel():
        raise CheckpointError(f"{IDS!r} lists a token id twice.")
    weight = rows[-1:].repeat(vocab_size, 1)
    weight[ids] = rows[:-1]
    full[WEIGHT] = weight
    return full


def compact_token_rows(state_dict: Mapping[str, Tensor], ids: Sequence[int]) -> dict[str, Tensor]:
    """Return the state dict with the token table cut down to the learnt ``ids``.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Weights with ``token_embedding.weight`` of shape ``(vocab_size, width)``.
    ids : sequence of int
        Token ids that have a row of their own. All other rows must be equal.

    Returns
    -------
    dict of str to Tensor
        What `expand_token_rows` turns back into ``state_dict``.

    Raises
    ------
    CheckpointError
        If an id is outside the table, or rows outside ``ids`` differ from one another.
    """
    compact = dict(state_dict)
    weight = compact.pop(WEIGHT)
    wanted = torch.tensor(sorted(set(ids)), dtype=torch.long)
    if wanted.numel() and (int(wanted[0]) < 0 or int(wanted[-1]) >= weight.shape[0]):
        raise CheckpointError(f"Token ids must lie in 0..{weight.shape[0] - 1}.")
    others = torch.ones(weight.shape[0], dtype=torch.bool)
    others[wanted] = False
    rest = weight[others]
    if rest.shape[0] and not torch.equal(rest, rest[:1].expand_as(rest)):
        raise CheckpointError("Rows of unlisted token ids differ, so one row cannot replace them.")
    unknown = rest[:1] if rest.shape[0] else torch.zeros_like(weight[:1])
    compact[ROWS] = torch.cat([weight[wanted], unknown])
    compact[IDS] = wanted.to(torch.int32)
    return compact
