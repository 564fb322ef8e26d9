"""Arithmetic as people write it, exact where decimals can be, and bounded in time and size. Nothing is executed."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from glia.kit.errors import InvalidRequest

LONGEST_EXPRESSION = 500
_DIGITS = 100
_SHOWN_DIGITS = 20
_LARGEST_POWER = 10_000
_LARGEST_EXPONENT = 10_000
_LARGEST_ANGLE = Decimal(10**15)

_SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "π": " pi ", "\N{NO-BREAK SPACE}": " "})
_NUMBER = r"(?<![\w.])\d+(?:\.\d+)?"
# Percent is rewritten before parsing, because Python reads `%` as modulo, which stays for `17 % 5`.
_TIGHT_PERCENT_OF = re.compile(rf"[/%]\s*{_NUMBER}\s*%\s*of\b|\*\*\s*{_NUMBER}\s*%\s*of\b", re.IGNORECASE)
_PERCENT_OF = re.compile(r"([\d)])\s*(?:%|percent)\s*of\b", re.IGNORECASE)
_ADDED_PERCENT = re.compile(r"[\d)]\s*[+-]\s*\d+(?:\.\d+)?%\s*(?:$|[),*/+-])")
_BARE_PERCENT = re.compile(rf"({_NUMBER})%(?=\s*(?:$|[),*/])|\s+[+-]\s)")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")


class CannotCalculate(InvalidRequest):
    """The expression has no value here; the message says why and how to write it instead."""

    code = "cannot_calculate"


def calculate(expression: str) -> str:
    """The value as text: exact when it has at most 100 digits, otherwise rounded to 20 digits and marked `≈`.

    Raises CannotCalculate.
    """
    if len(expression) > LONGEST_EXPRESSION:
        raise CannotCalculate(f"The expression has {len(expression)} characters; the most is {LONGEST_EXPRESSION}.")
    source = _rewrite(expression)
    context = Context(
        prec=_DIGITS,
        Emax=_LARGEST_EXPONENT,
        Emin=-_LARGEST_EXPONENT,
        rounding=ROUND_HALF_UP,
        traps=[InvalidOperation, DivisionByZero, Overflow],
    )
    try:
        value = _Evaluation(context, source).of(_parse(source))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise CannotCalculate(
            f"{expression.strip()!r} is not an arithmetic expression; write it like (2 + 3) * 4 or 17% of 2300."
        ) from error
    except DecimalException as error:
        raise CannotCalculate(_reason(error)) from None
    return _show(value, context)


def _parse(source: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Python would tell the operator's log about `1if`
        return ast.parse(source, mode="eval").body


def _rewrite(expression: str) -> str:
    text = expression.translate(_SPELLINGS).replace("^", "**").replace("\0", " ").strip().removesuffix("=").strip()
    if "(" not in text and _THOUSANDS.search(text):
        raise CannotCalculate("Write numbers without thousands separators: 1000000, not 1,000,000.")
    if _TIGHT_PERCENT_OF.search(text):
        raise CannotCalculate("Put the percentage into parentheses, as in 8 / (17% of 50).")
    text = _PERCENT_OF.sub(r"\1/100*", text)
    if _ADDED_PERCENT.search(text):
        raise CannotCalculate("Adding a percentage is ambiguous: write 200 * 1.10, or 200 + 10% of 200.")
    return _BARE_PERCENT.sub(r"(\1/100)", text)


def _reason(error: DecimalException) -> str:
    # The decimal module raises one signal class, or names several in its arguments.
    if isinstance(error, DivisionByZero):
        return "This divides by zero; it has no value."
    if isinstance(error, Overflow):
        return f"The result is larger than 10^{_LARGEST_EXPONENT}; that is more than this calculator handles."
    return "This has no real value, such as 0/0, the root of a negative number, or a logarithm of zero."


def _show(value: Decimal, context: Context) -> str:
    is_rounded = context.flags[Inexact]
    if is_rounded:
        value = Context(prec=_SHOWN_DIGITS, rounding=ROUND_HALF_UP).plus(value)
    if not value:
        return "0"
    value = value.normalize(context)
    exponent = value.adjusted()
    text = f"{value:f}" if -20 <= exponent <= _DIGITS else f"{value:E}"
    return f"≈ {text}" if is_rounded and len(value.as_tuple().digits) >= _SHOWN_DIGITS else text


class _Evaluation:
    """Walks the parsed expression. What is not listed here is refused by name."""

    def __init__(self, context: Context, source: str) -> None:
        self._context = context
        self._source = source.encode()
        self._operators: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
            ast.Add: context.add,
            ast.Sub: context.subtract,
            ast.Mult: context.multiply,
            ast.Div: context.divide,
            ast.FloorDiv: lambda left, right: self._divmod(left, right)[0],
            ast.Mod: lambda left, right: self._divmod(left, right)[1],
            ast.Pow: self._power,
        }

    def of(self, node: ast.expr) -> Decimal:
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in self._operators:
                return self._operators[type(operation)](self.of(left), self.of(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._context.minus(self.of(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.of(operand)
            case ast.Name(id=name) if name.lower() in _CONSTANTS:
                return _CONSTANTS[name.lower()]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.lower(), arguments)
            case ast.Tuple():
                raise CannotCalculate("Write numbers without commas: 2300.5, not 2,300.5.")
            case _:
                raise CannotCalculate(
                    "Only numbers, + - * / // % **, parentheses, percentages, pi, e and the functions"
                    f" {', '.join(sorted(_FUNCTIONS))} are understood."
                )

    def _number(self, node: ast.Constant) -> Decimal:
        """From the literal's own digits, because the parser has already made a binary float of them."""
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise CannotCalculate("Only numbers can be calculated with.")
        if node.lineno != 1 or node.end_lineno != 1:
            raise CannotCalculate("Write the expression on one line.")
        literal = self._source[node.col_offset : node.end_col_offset].decode().replace("_", "")
        text = str(node.value) if literal[:2].lower() in {"0x", "0o", "0b"} else literal
        return self._context.create_decimal(text)

    def _call(self, name: str, arguments: list[ast.expr]) -> Decimal:
        if name not in _FUNCTIONS:
            raise CannotCalculate(f"There is no function {name[:40]!r}; there are {', '.join(sorted(_FUNCTIONS))}.")
        fewest, most, function = _FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            raise CannotCalculate(f"{name} takes {fewest} to {most} numbers, not {len(arguments)}.")
        value = function(self._context, [self.of(argument) for argument in arguments])
        if not value.is_finite():  # the logarithm of zero is minus infinity to the decimal module
            raise InvalidOperation
        return value

    def _divmod(self, left: Decimal, right: Decimal) -> tuple[Decimal, Decimal]:
        """Rounds towards minus infinity, as Python's integers do; the decimal module rounds towards zero."""
        quotient, rest = self._context.divmod(left, right)
        if rest and (rest < 0) != (right < 0):
            return self._context.subtract(quotient, Decimal(1)), self._context.add(rest, right)
        return quotient, rest

    def _power(self, base: Decimal, exponent: Decimal) -> Decimal:
        if abs(exponent) > _LARGEST_POWER:
            raise CannotCalculate(f"The exponent {str(exponent)[:40]} is too large; the most is {_LARGEST_POWER}.")
        return self._context.power(base, exponent)


def _round(context: Context, values: list[Decimal]) -> Decimal:
    places = values[1] if len(values) > 1 else Decimal(0)
    if places != places.to_integral_value() or abs(places) > _DIGITS:
        raise CannotCalculate(f"round takes a whole number of places up to {_DIGITS}.")
    return context.quantize(values[0], Decimal(1).scaleb(-int(places), context))


def _log(context: Context, values: list[Decimal]) -> Decimal:
    if len(values) == 1:
        return context.ln(values[0])
    if values[1] == 10:
        return context.log10(values[0])
    return context.divide(context.ln(values[0]), context.ln(values[1]))


def _angle(function: Callable[[float], float]) -> Callable[[Context, list[Decimal]], Decimal]:
    def call(context: Context, values: list[Decimal]) -> Decimal:
        if abs(values[0]) > _LARGEST_ANGLE:
            raise CannotCalculate("The angle is too large; angles are in radians.")
        context.flags[Inexact] = True
        return context.create_decimal(f"{function(float(values[0])):.15g}")

    return call


def _added(context: Context, values: list[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = context.add(total, value)
    return total


def _whole(rounding: str) -> Callable[[Context, list[Decimal]], Decimal]:
    return lambda context, values: values[0].to_integral_value(rounding, context)


_Function = Callable[[Context, list[Decimal]], Decimal]
_MANY = 100
_FUNCTIONS: dict[str, tuple[int, int, _Function]] = {
    "sqrt": (1, 1, lambda context, values: context.sqrt(values[0])),
    "abs": (1, 1, lambda context, values: context.abs(values[0])),
    "exp": (1, 1, lambda context, values: context.exp(values[0])),
    "ln": (1, 1, lambda context, values: context.ln(values[0])),
    "log10": (1, 1, lambda context, values: context.log10(values[0])),
    "log": (1, 2, _log),
    "round": (1, 2, _round),
    "floor": (1, 1, _whole(ROUND_FLOOR)),
    "ceil": (1, 1, _whole(ROUND_CEILING)),
    "sin": (1, 1, _angle(math.sin)),
    "cos": (1, 1, _angle(math.cos)),
    "tan": (1, 1, _angle(math.tan)),
    "min": (1, _MANY, lambda _, values: min(values)),
    "max": (1, _MANY, lambda _, values: max(values)),
    "sum": (1, _MANY, _added),
    "avg": (1, _MANY, lambda context, values: context.divide(_added(context, values), Decimal(len(values)))),
}
_CONSTANTS = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369995957496696762772407663035354759457138"),
}
