"""Distinct messages of customers, for tests that use the real local model."""

import random

_FORMS = """\
My order {order} arrived with a broken lid.
Hello, my name is {name}. My order {order} arrived with a broken lid. Can you send a new one?
Where is my order {order}? It should have been here last week.
Order {order} has not arrived yet.
I would like to cancel order {order}, please.
Hi, this is {name}. I ordered a lamp, number {order}, and the shade is cracked.
Thank you for order {order}, everything is perfect!
The box of order {order} was empty.
Please change the address of my order {order} to 12 Mill Lane.
I got the wrong color. My order number is {order}. {name}
Can I still add a second chair to order {order}?
Regarding {order}: two screws are missing.
Dear team, the table from order {order} is scratched. Kind regards, {name}
I paid twice for order {order} and want my money back.
My name is {name} and I am waiting for order {order}.
Is there a tracking number for order {order}?
order {order} is late again, this is the second time
The invoice for order {order} shows the wrong company.
We received order {order} today, but one of the three mugs is missing.
How do I return order {order}?
Hello! Order number: {order}. The kettle leaks.
The driver left order {order} with my neighbor, who is on vacation.
Could you tell me when {order} will be shipped?
I want to exchange the shoes from order {order} for size 42.
Good morning, {name} here. Order {order} came without the manual.
Please send me a copy of the invoice for order {order}.
My daughter loves the bike from order {order}. Thank you!
Your page says that order {order} was delivered, but I have nothing.
The shelf in order {order} is 80 cm wide, not 90 cm as promised.
I am writing about order {order}. The battery does not charge.
Order #{order} - the glass is broken.
Can you deliver order {order} on Friday after 17:00?
I ordered on March 3. My order number is {order}. Nothing has come.
Only half of order {order} was in the parcel.
The gift card did not work for order {order}.
Why was order {order} canceled?
This is {name}. I need order {order} before the weekend.
The lid of the pot in order {order} does not fit.
Please stop order {order}, I chose the wrong size.
Everything in order {order} smells of smoke.
""".splitlines()
_NAMES = """\
Anna Keller, Daniel Osei, Maria Baker, Tom Novak, Sarah Rossi, Peter Martin, Laura Silva, James Hansen, Emma Fischer,
Lucas Moreau, Julia Lopez, David Brown, Nina Weber, Paul Costa, Clara Young, Simon Meyer
"""


def messages(count: int) -> dict[str, str]:
    """Generate `count` messages, each with the order number that it names. Every call returns the same messages."""
    chance = random.Random(48213)  # noqa: S311 -- draws the same numbers every time
    found: dict[str, str] = {}
    while len(found) < count:
        order = f"A-{chance.randrange(10_000, 100_000)}"
        name = chance.choice(_NAMES.replace("\n", " ").split(",")).strip()
        found[_FORMS[len(found) % len(_FORMS)].format(order=order, name=name)] = order
    return found
