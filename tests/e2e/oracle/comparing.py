"""Where an audience differs from what it must be, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.e2e.oracle.people import Person
from tests.e2e.oracle.verdicts import CLOSED, Judgement, Members


def differences(members: Members, judgement: Judgement) -> list[str]:
    """One line per member that is missing, too many or different."""
    expected = {email: member for email, member in judgement.members.items() if email not in judgement.loose}
    found = [f"{email} is not a member" for email in sorted(expected.keys() - members.keys())]
    for email in sorted(members.keys() - judgement.loose.keys()):
        if email not in expected:
            found.append(f"{email} is a member ({members[email]['status']})")
        else:
            found += [
                f"{email}: {what}" for what in _compared(members[email], expected[email], judgement.heirs.get(email))
            ]
    for email, owner in judgement.loose.items():
        if owner is not None or email not in judgement.ghosts:
            found += [f"{email}: {what}" for what in _loosely(members.get(email), owner, shut=judgement.shut)]
    return found


def _compared(member: Mapping[str, Any], wanted: Mapping[str, Any], heir: Person | None) -> Iterator[str]:
    """An heir may find what the mapping keeps as the former owner left it, or as nobody had ever been there."""
    anew = {} if heir is None else {**dict.fromkeys(heir.kept, ""), **heir.fill}
    if member["status"] != wanted["status"]:
        yield f"status is {member['status']}, not {wanted['status']}"
    for tag in sorted(member["merge_fields"].keys() | wanted["merge_fields"].keys()):
        there, right = member["merge_fields"].get(tag, ""), wanted["merge_fields"].get(tag, "")
        if not _same(there, right) and not (tag in anew and _same(there, anew[tag])):
            yield f"{tag} is {there!r}, not {right!r}"
    if sorted(member["tags"]) != sorted(wanted["tags"]):
        yield f"tags are {sorted(member['tags'])}, not {sorted(wanted['tags'])}"
    if (member["language"] or "") != (wanted["language"] or ""):
        yield f"language is {member['language']!r}, not {wanted['language']!r}"


def _loosely(member: Mapping[str, Any] | None, owner: Person | None, *, shut: bool) -> Iterator[str]:
    if owner is None:
        if member is not None and member["status"] not in CLOSED:
            yield f"is still {member['status']} although nobody has this address"
        return
    if member is None or member["status"] in CLOSED:
        if shut:
            return
        yield f"{owner.key} has this address, but it is {'no member' if member is None else member['status']}"
        return
    for tag, right in owner.fields.items():
        if not _same(member["merge_fields"].get(tag, ""), right):
            yield f"{tag} is {member['merge_fields'].get(tag)!r}, not {right!r} of {owner.key}"
    if not owner.tags <= set(member["tags"]) or owner.off & set(member["tags"]):
        yield f"tags are {member['tags']}, not {sorted(owner.tags)}"


def _same(there: Any, right: Any) -> bool:
    if isinstance(right, Mapping) and isinstance(there, Mapping):
        return all(str(there.get(part, "")) == str(right.get(part, "")) for part in there.keys() | right.keys())
    if isinstance(right, float) or isinstance(there, float):
        return str(there) == str(right) or (there != "" and right != "" and float(there) == float(right))
    return str(there) == str(right)
