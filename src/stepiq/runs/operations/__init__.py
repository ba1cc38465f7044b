"""Operations: the calls that an execution of a step made out of the process."""
