at 1000 online w1 trade 9 -> session 1.0
# One-shot, waiting, becomes a repeat job.
at 1000 submit a trade at=5000 + submit b trade -> accepted 2.0, accepted 2.1, ready trade
at 1000 submit a trade every=1000 count=2 replace -> replaced 2.0 rev 2, 2.0/0 skipped Superseded 1 to 5000
at 1000 tick + dispatch w1 9 -> ok, push 4.0 of 2.0/1 due 1000, push 4.1 of 2.1/0 due 1000, ready trade
# Repeat, executing, becomes one-shot: it starts when the executing one has ended.
at 1500 submit a trade replace -> replaced 2.0 rev 3
at 3000 tick + dispatch w1 9 -> ok, nothing
show job 2.0
    | a rev 3 lives
    | settled 1500 live 1 stopped until restart
    | 2.0/1 due 1000 rev 2 executing 4.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
at 3100 complete 4.0 success -> accepted, 2.0/1 succeeded, ready trade
show job 2.0
    | a rev 3 lives
    | 2.0/2 due 3100 rev 3 ready since 3100 executions 0 retries 0 reclaims 0
    | 2.0/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 1000 error "a newer revision of the job came"
    | 2.0/1 due 1000 rev 2 succeeded at 3100 executions 1 retries 0 reclaims 0 [4.0 EXECUTE_SUCCESS]
at 3100 dispatch w1 9 -> push 8.0 of 2.0/2 due 3100
at 3200 complete 8.0 success -> accepted, 2.0/2 succeeded
# One-shot, executing, becomes cron: its instants come, and rely on the executing one.
at 4000 submit b trade cron replace -> replaced 2.1 rev 2, needs plan 2.1
at 4000 plan 2.1 rev=2 after=4000 instants=5000,6000,7000,8000 -> ok
at 5000 tick -> ok, needs plan 2.1
show job 2.1
    | b rev 2 lives
    | settled 5000 live 1 planned [6000, 7000, 8000]
    | 2.1/0 due 1000 rev 1 executing 4.1 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.1/1 due 5000 rev 2 skipped PreviousStillLive 1 to 5000 at 5000
at 5500 complete 4.1 exception -> accepted, 2.1/0 failed
at 6000 tick + dispatch w1 9 -> ok, push 14.0 of 2.1/2 due 6000, ready trade, needs plan 2.1
# Cron becomes another cron: the look-ahead is dropped, a plan of the old revision is refused.
at 6100 submit b trade cron replace norely -> replaced 2.1 rev 3, needs plan 2.1
at 6100 plan 2.1 rev=2 after=8000 instants=9000 -> refused: the plan of job 2.1 is outdated
at 6100 plan 2.1 rev=3 after=6100 instants=6500,7500,8500,9500 -> ok
at 6500 tick + dispatch w1 9 -> ok, push 18.0 of 2.1/3 due 6500, ready trade, needs plan 2.1
show job 2.1
    | b rev 3 lives
    | settled 6500 live 2 planned [7500, 8500, 9500]
    | 2.1/2 due 6000 rev 2 executing 14.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.1/3 due 6500 rev 3 executing 18.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.1/0 due 1000 rev 1 failed at 5500 executions 1 retries 0 reclaims 0 [4.1 EXECUTE_EXCEPTION]
    | 2.1/1 due 5000 rev 2 skipped PreviousStillLive 1 to 5000 at 5000
# Two executing runs of two revisions; then a one-shot: it waits for both.
at 6600 submit b trade payload=last replace -> replaced 2.1 rev 4
show job 2.1
    | b rev 4 lives
    | settled 6600 live 2 stopped until restart
    | 2.1/2 due 6000 rev 2 executing 14.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.1/3 due 6500 rev 3 executing 18.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.1/0 due 1000 rev 1 failed at 5500 executions 1 retries 0 reclaims 0 [4.1 EXECUTE_EXCEPTION]
    | 2.1/1 due 5000 rev 2 skipped PreviousStillLive 1 to 5000 at 5000
at 6700 complete 18.0 success -> accepted, 2.1/3 succeeded
at 6700 dispatch w1 9 -> nothing
show job 2.1
    | b rev 4 lives
    | settled 6600 live 1 stopped until restart
    | 2.1/2 due 6000 rev 2 executing 14.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
    | 2.1/0 due 1000 rev 1 failed at 5500 executions 1 retries 0 reclaims 0 [4.1 EXECUTE_EXCEPTION]
    | 2.1/1 due 5000 rev 2 skipped PreviousStillLive 1 to 5000 at 5000
    | 2.1/3 due 6500 rev 3 succeeded at 6700 executions 1 retries 0 reclaims 0 [18.0 EXECUTE_SUCCESS]
# Periodic with ready and waiting runs.
at 10000 submit c trade every=1000 norely retries=1 delay=9000 -> accepted 22.0
at 10000 tick + dispatch w1 1 -> ok, push 23.0 of 22.0/0 due 10000, ready trade
at 10000 complete 23.0 exception -> accepted
at 11000 tick -> ok, ready trade
at 11000 submit c trade every=2000 count=1 replace -> replaced 22.0 rev 2, 22.0/0 failed, 22.0/1 skipped Superseded 1 to 11000
show job 22.0
    | c rev 2 lives
    | settled 11000 live 0 next 11000 every 2s remaining Some(1)
    | 22.0/0 due 10000 rev 1 failed at 11000 executions 1 retries 1 reclaims 0 [23.0 EXECUTE_EXCEPTION] error "a newer revision of the job came"
    | 22.0/1 due 11000 rev 1 skipped Superseded 1 to 11000 at 11000 error "a newer revision of the job came"
at 12000 tick + dispatch w1 9 -> ok, push 27.0 of 22.0/2 due 11000, ready trade
show job 22.0
    | c rev 2 lives
    | settled 11000 live 1 next 13000 every 2s remaining Some(0)
    | 22.0/2 due 11000 rev 2 executing 27.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 22.0/0 due 10000 rev 1 failed at 11000 executions 1 retries 1 reclaims 0 [23.0 EXECUTE_EXCEPTION] error "a newer revision of the job came"
    | 22.0/1 due 11000 rev 1 skipped Superseded 1 to 11000 at 11000 error "a newer revision of the job came"
