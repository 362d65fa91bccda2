# A plan for the old expression that comes late is refused, and the new one goes on from now.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit c1 trade cron -> accepted 2.0, needs plan 2.0
at 1100 plan 2.0 after=1000 instants=2000,3000,4000,5000 -> ok
at 2500 tick -> ok, ready trade, needs plan 2.0
at 2600 update 2.0 cron=other -> UPDATED 2.0 rev 2, ready trade, needs plan 2.0
show job 2.0
    | c1 rev 2 lives
    | settled 2600 live 1 planned []
    | 2.0/0 due 2000 rev 2 ready since 2500 executions 0 retries 0 reclaims 0
show plans
    | [2.0]
at 2700 plan 2.0 after=5000 instants=6000 -> refused: the plan of job 2.0 is outdated
at 2700 plan 2.0 rev=2 after=2600 instants=2800,3900,4200,4300 -> ok
show job 2.0
    | c1 rev 2 lives
    | settled 2600 live 1 planned [2800, 3900, 4200, 4300]
    | 2.0/0 due 2000 rev 2 ready since 2500 executions 0 retries 0 reclaims 0

# What leaves the schedule alone leaves its plan alone.
at 2750 update 2.0 priority=5 retries=3 -> UPDATED 2.0 rev 3, ready trade
show job 2.0
    | c1 rev 3 lives
    | settled 2600 live 1 planned [2800, 3900, 4200, 4300]
    | 2.0/0 due 2000 rev 3 ready since 2500 executions 0 retries 0 reclaims 0
at 2760 plan 2.0 rev=2 after=4300 instants=4400 -> ok
at 2770 update 2.0 misfire=skip -> UPDATED 2.0 rev 4, ready trade
at 2780 plan 2.0 rev=2 after=4400 instants=4500 -> refused: the plan of job 2.0 is outdated
at 2790 plan 2.0 rev=4 after=4400 instants=4500 -> ok
at 2800 dispatch w1 9 -> push 13.0 of 2.0/0 due 2000
at 2810 complete 13.0 success -> accepted, 2.0/0 succeeded

# An instant that is due gets its run by the old expression first, and one expression has no gap to the other.
at 3950 update 2.0 cron=third -> UPDATED 2.0 rev 5, ready trade, needs plan 2.0
show job 2.0
    | c1 rev 5 lives
    | settled 3950 live 1 planned []
    | 2.0/1 due 2800 rev 5 ready since 3950 executions 0 retries 0 reclaims 0
    | 2.0/0 due 2000 rev 4 succeeded at 2810 executions 1 retries 0 reclaims 0 [13.0 EXECUTE_SUCCESS]
    | 2.0/2 due 3900 rev 4 skipped PreviousStillLive 1 to 3900 at 3950

# An interval counts from the last instant; a count includes what has run.
at 4000 submit r1 trade every=1000 count=5 norely -> accepted 16.0
at 5100 tick -> ok, ready trade
show job 16.0
    | r1 rev 1 lives
    | settled 5000 live 2 next 6000 every 1s remaining Some(3)
    | 16.0/0 due 4000 rev 1 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/1 due 5000 rev 1 ready since 5100 executions 0 retries 0 reclaims 0
at 5200 update 16.0 every=400 -> UPDATED 16.0 rev 2, ready trade
show job 16.0
    | r1 rev 2 lives
    | settled 5000 live 2 next 5400 every 400ms remaining Some(3)
    | 16.0/0 due 4000 rev 2 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/1 due 5000 rev 2 ready since 5100 executions 0 retries 0 reclaims 0
at 5400 tick -> ok, ready trade
at 5500 update 16.0 count=4 -> UPDATED 16.0 rev 3, ready trade
show job 16.0
    | r1 rev 3 lives
    | settled 5400 live 3 next 5800 every 400ms remaining Some(1)
    | 16.0/0 due 4000 rev 3 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/1 due 5000 rev 3 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/2 due 5400 rev 3 ready since 5400 executions 0 retries 0 reclaims 0
at 5900 tick -> ok, ready trade
show job 16.0
    | r1 rev 3 lives
    | settled 5800 live 4 next 6200 every 400ms remaining Some(0)
    | 16.0/0 due 4000 rev 3 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/1 due 5000 rev 3 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/2 due 5400 rev 3 ready since 5400 executions 0 retries 0 reclaims 0
    | 16.0/3 due 5800 rev 3 ready since 5900 executions 0 retries 0 reclaims 0
at 6000 update 16.0 count=2 -> UPDATED 16.0 rev 4, ready trade
show job 16.0
    | r1 rev 4 lives
    | settled 5800 live 4 next 6200 every 400ms remaining Some(0)
    | 16.0/0 due 4000 rev 4 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/1 due 5000 rev 4 ready since 5100 executions 0 retries 0 reclaims 0
    | 16.0/2 due 5400 rev 4 ready since 5400 executions 0 retries 0 reclaims 0
    | 16.0/3 due 5800 rev 4 ready since 5900 executions 0 retries 0 reclaims 0
at 6100 cancel 16.0 -> CANCELLED 16.0, 16.0/0 cancelled, 16.0/1 cancelled, 16.0/2 cancelled, 16.0/3 cancelled, 16.0 ends

# A first instant that is still to come moves only if it is named; a job without an end counts from the update.
at 6200 submit r2 trade every=1000 first=9000 -> accepted 24.0
at 6300 update 24.0 every=300 -> UPDATED 24.0 rev 2
show job 24.0
    | r2 rev 2 lives
    | settled 6200 live 0 next 9000 every 300ms remaining None
at 6400 update 24.0 first=8000 count=2 -> UPDATED 24.0 rev 3
show job 24.0
    | r2 rev 3 lives
    | settled 6200 live 0 next 8000 every 300ms remaining Some(2)
at 8300 tick -> ok, ready trade
show job 24.0
    | r2 rev 3 lives
    | settled 8300 live 1 next 8600 every 300ms remaining Some(0)
    | 24.0/0 due 8000 rev 3 ready since 8300 executions 0 retries 0 reclaims 0
    | 24.0/1 due 8300 rev 3 skipped PreviousStillLive 1 to 8300 at 8300
