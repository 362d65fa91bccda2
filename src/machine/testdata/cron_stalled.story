# After a long outage the look-ahead ends before the misfire policy can decide: the job waits for a plan.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit c trade cron misfire_after=500 -> accepted 2.0, needs plan 2.0
at 1000 plan 2.0 after=1000 instants=2000,3000,4000,5000 -> ok
at 100000 tick -> ok, needs plan 2.0
show job 2.0
    | c rev 1 lives
    | settled 4000 live 0 planned [5000] stalled
    | 2.0/0 due 2000 rev 1 skipped Misfired 3 to 4000 at 100000
show plans
    | [2.0]
show next
    | None
at 100000 tick -> ok
# The plan goes over what was missed as one range and brings the last missed one.
at 100000 plan 2.0 after=5000 skip=6000..98000*93 instants=99000,100000,101000,102000 -> ok
show job 2.0
    | c rev 1 lives
    | settled 98000 live 0 planned [99000, 100000, 101000, 102000]
    | 2.0/0 due 2000 rev 1 skipped Misfired 97 to 98000 at 100000
at 100000 tick + dispatch w1 9 -> ok, push 7.0 of 2.0/1 due 99000, ready trade, needs plan 2.0
show job 2.0
    | c rev 1 lives
    | settled 100000 live 1 planned [101000, 102000]
    | 2.0/1 due 99000 rev 1 executing 7.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 2000 rev 1 skipped Misfired 97 to 98000 at 100000
    | 2.0/2 due 100000 rev 1 skipped PreviousStillLive 1 to 100000 at 100000
# A plan cannot skip what is not a misfire: nothing is missed, nothing is dropped early.
at 100000 plan 2.0 after=102000 skip=103000..104000*2 instants=105000 -> refused: the plan of job 2.0 is outdated
at 100000 plan 2.0 after=102000 skip=103000..104000*0 instants=105000 -> refused: the plan of job 2.0 is outdated
show job 2.0
    | c rev 1 lives
    | settled 100000 live 1 planned [101000, 102000]
    | 2.0/1 due 99000 rev 1 executing 7.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 2000 rev 1 skipped Misfired 97 to 98000 at 100000
    | 2.0/2 due 100000 rev 1 skipped PreviousStillLive 1 to 100000 at 100000
# Cancelled while it waits for a plan.
at 100000 submit d trade cron misfire_after=500 -> accepted 10.0, needs plan 10.0
at 100000 plan 10.0 after=100000 instants=101000 -> ok
at 200000 tick -> ok, needs plan 2.0, needs plan 10.0
at 200000 cancel trade/d -> CANCELLED 10.0, ready trade, 10.0/0 cancelled, 10.0 ends
at 200000 plan 10.0 after=101000 instants=201000 -> refused: the plan of job 10.0 is outdated
show job 10.0
    | d rev 1 has ended
    | 10.0/0 due 101000 rev 1 cancelled at 200000 error "cancelled"
