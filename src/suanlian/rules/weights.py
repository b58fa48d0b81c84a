"""What is the operator's policy to the queue? The one place in which its words become the queue's weights. Pure."""

from suanlian.model.market_policy import MarketPolicy
from suanlian.rules.queueing.policy import Policy


def queue_policy(policy: MarketPolicy) -> Policy:
    """The weights of the queue. Priorities are turns within an account (decision 0018), so they weigh nothing here."""
    return Policy(
        short=policy.short,
        age=policy.age,
        priority=0.0,
        fair=policy.fair_s,
        half_life_s=policy.half_life_s,
        reservations=policy.reservations,
        move_s=policy.move_s,
        hysteresis=policy.hysteresis,
        headroom=policy.headroom,
        brief_s=policy.brief_s,
        learn=policy.learn,
    )
