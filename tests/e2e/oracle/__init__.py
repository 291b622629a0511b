"""What an audience must look like, worked out a second time and on purpose without the product's own code.

Nothing here imports `app`. From X3's exported truth, a mapping's JSON, a sync's policy and the audience as it stood,
it says who must be a member with which content, who must not and why. Where it and the engine disagree, one is wrong.
"""

from tests.e2e.oracle.comparing import differences
from tests.e2e.oracle.people import Person, Rules, candidates
from tests.e2e.oracle.verdicts import Judgement, Memory, Terms, Verdict, judge

__all__ = ["Judgement", "Memory", "Person", "Rules", "Terms", "Verdict", "candidates", "differences", "judge"]
