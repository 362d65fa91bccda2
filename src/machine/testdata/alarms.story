# One row by rule and subject, however often it is raised; a later time has another id.
at 1000 raise backlog_age trade value=7 -> ok
at 2000 raise backlog_age trade value=9 -> ok
at 2500 raise backlog_age stock + raise dead_run trade value=2 -> ok, ok
show alarms
    | backlog_age stock 3.0 raised 2500 seen 2500 value 1 of 1
    | backlog_age trade 1.0 raised 1000 seen 2000 value 9 of 1
    | dead_run trade 3.1 raised 2500 seen 2500 value 2 of 1
# What was told is remembered for this time that it was raised.
at 3000 told backlog_age trade 1.0 ops raised -> ok
at 3100 told backlog_age trade 99.0 mail raised -> ok
at 3200 told backlog_age nobody 1.0 mail raised -> ok
at 4000 recover backlog_age trade -> ok
at 4100 recover backlog_age trade -> ok
at 4200 recover backlog_age nobody -> ok
at 4300 told backlog_age trade 1.0 ops recovered -> ok
# It comes too late: the end was told.
at 4400 told backlog_age trade 1.0 ops raised -> ok
show alarms
    | backlog_age stock 3.0 raised 2500 seen 2500 value 1 of 1
    | backlog_age trade 1.0 raised 1000 seen 2000 value 9 of 1 recovered 4000 told ops Recovered at 4300 times 1
    | dead_run trade 3.1 raised 2500 seen 2500 value 2 of 1
at 5000 raise backlog_age trade -> ok
show alarms
    | backlog_age stock 3.0 raised 2500 seen 2500 value 1 of 1
    | backlog_age trade 12.0 raised 5000 seen 5000 value 1 of 1
    | dead_run trade 3.1 raised 2500 seen 2500 value 2 of 1
# A silence hushes the end of what it covers: one subject, or all of a rule.
at 6000 silence backlog_age stock until=7000 + silence dead_run * until=7000 -> ok, ok
at 6100 recover backlog_age stock + recover dead_run trade + recover backlog_age trade -> ok, ok, ok
at 6200 silence dead_run * -> ok
at 6300 silence dead_run trade until=6300 -> ok
show alarms
    | backlog_age stock 3.0 raised 2500 seen 2500 value 1 of 1 recovered 6100 hushed
    | backlog_age trade 12.0 raised 5000 seen 5000 value 1 of 1 recovered 6100
    | dead_run trade 3.1 raised 2500 seen 2500 value 2 of 1 recovered 6100 hushed
    | silence backlog_age stock 6000 until 7000 by somebody
# What recovered is forgotten after a week, a silence when it is over.
at 604806100 expire -> ok
show alarms
    | backlog_age stock 3.0 raised 2500 seen 2500 value 1 of 1 recovered 6100 hushed
    | backlog_age trade 12.0 raised 5000 seen 5000 value 1 of 1 recovered 6100
    | dead_run trade 3.1 raised 2500 seen 2500 value 2 of 1 recovered 6100 hushed
at 604806101 expire -> ok
show alarms
