"""The ladder engine: facts become cases, cases climb the operator's ladder, people decide.

Pure: values in, values out, with the clock and the calendar handed in. `words` names things,
`ladder` is what a preset says, `case` the value that changes, `engine` the one place that changes
it, `calendar` knows business days, `preset` reads YAML, `simulate` replays the past.
"""
