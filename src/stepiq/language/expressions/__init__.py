"""CEL expressions over plain data. The public interface is `Expression`, its errors and `EvaluationMeter`."""

from stepiq.language.expressions.expression import Expression
from stepiq.language.expressions.source import ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.values import EvaluationMeter

__all__ = ["EvaluationMeter", "Expression", "ExpressionError", "ExpressionSyntaxError"]
