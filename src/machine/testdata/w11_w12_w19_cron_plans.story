# The leader's calendar plans; the machine settles. W11, W12: the rhythm is one row, made with its job.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit c trade cron norely -> accepted 2.0, needs plan 2.0
show plans
    | [2.0]
at 1000 plan 2.0 after=1000 instants=2000,3000,4000,5000 -> ok
show plans
    | []
# The same plan again, an older one, one out of order, one before what is planned, one of another job: refused.
at 1000 plan 2.0 after=1000 instants=2000,3000,4000,5000 -> refused: the plan of job 2.0 is outdated
at 1000 plan 2.0 rev=2 after=5000 instants=6000 -> refused: the plan of job 2.0 is outdated
at 1000 plan 2.0 after=5000 instants=7000,6000 -> refused: the plan of job 2.0 is outdated
at 1000 plan 2.0 after=5000 instants=5000 -> refused: the plan of job 2.0 is outdated
at 1000 plan 9.0 after=5000 instants=6000 -> refused: the plan of job 9.0 is outdated
# An instant comes once, and never early.
at 1999 tick + dispatch w1 9 -> ok, nothing
at 2000 tick + dispatch w1 9 -> ok, push 10.0 of 2.0/0 due 2000, ready trade, needs plan 2.0
at 2000 tick + dispatch w1 9 -> ok, nothing
at 2000 plan 2.0 after=5000 instants=6000 -> ok
show job 2.0
    | c rev 1 lives
    | settled 2000 live 1 planned [3000, 4000, 5000, 6000]
    | 2.0/0 due 2000 rev 1 executing 10.0 on w1 1.0 executions 1 retries 0 reclaims 0
# A failover of five seconds drops nothing that is not a misfire.
at 7000 tick + dispatch w1 9 -> ok, push 13.0 of 2.0/1 due 3000, push 13.1 of 2.0/2 due 4000, push 13.2 of 2.0/3 due 5000, push 13.3 of 2.0/4 due 6000, ready trade, needs plan 2.0
show job 2.0
    | c rev 1 lives
    | settled 6000 live 5 planned []
    | 2.0/0 due 2000 rev 1 executing 10.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/1 due 3000 rev 1 executing 13.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/2 due 4000 rev 1 executing 13.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/3 due 5000 rev 1 executing 13.2 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/4 due 6000 rev 1 executing 13.3 on w1 1.0 executions 1 retries 0 reclaims 0
# The calendar ends, and with the last run the job.
at 7000 plan 2.0 after=6000 instants=8000 ended -> ok
at 8000 tick + dispatch w1 9 -> ok, push 15.0 of 2.0/5 due 8000, ready trade
at 8000 complete 10.0 success , 13.0 success , 13.1 success , 13.2 success , 13.3 success -> accepted, accepted, accepted, accepted, accepted, 2.0/0 succeeded, 2.0/1 succeeded, 2.0/2 succeeded, 2.0/3 succeeded, 2.0/4 succeeded
show job 2.0
    | c rev 1 lives
    | settled 8000 live 1 planned [] ended
    | 2.0/5 due 8000 rev 1 executing 15.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 2000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [10.0 EXECUTE_SUCCESS]
    | 2.0/1 due 3000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.0 EXECUTE_SUCCESS]
    | 2.0/2 due 4000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.1 EXECUTE_SUCCESS]
    | 2.0/3 due 5000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.2 EXECUTE_SUCCESS]
    | 2.0/4 due 6000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.3 EXECUTE_SUCCESS]
at 8100 complete 15.0 success -> accepted, 2.0/5 succeeded, 2.0 ends
show job 2.0
    | c rev 1 has ended
    | 2.0/0 due 2000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [10.0 EXECUTE_SUCCESS]
    | 2.0/1 due 3000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.0 EXECUTE_SUCCESS]
    | 2.0/2 due 4000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.1 EXECUTE_SUCCESS]
    | 2.0/3 due 5000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.2 EXECUTE_SUCCESS]
    | 2.0/4 due 6000 rev 1 succeeded at 8000 executions 1 retries 0 reclaims 0 [13.3 EXECUTE_SUCCESS]
    | 2.0/5 due 8000 rev 1 succeeded at 8100 executions 1 retries 0 reclaims 0 [15.0 EXECUTE_SUCCESS]
# W19: a calendar without any instant ends its job at once, and nothing of it stays for ever.
at 9000 submit never trade cron -> accepted 18.0, needs plan 18.0
at 9000 plan 18.0 after=9000 ended -> ok, 18.0 ends
show job 18.0
    | never rev 1 has ended
at 900000000 expire -> ok
show job 18.0
    | unknown
show rows
    | Group 1, NodeEvent 1, Tracker 1
