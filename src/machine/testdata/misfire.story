# An outage of an hour, a job a minute: once late, skip, catch up three; on a grid and planned.
at 0 online w1 trade 50 -> session 1.0
at 0 submit once trade every=60000 norely misfire=once -> accepted 2.0
at 0 submit skip trade every=60000 norely misfire=skip -> accepted 3.0
at 0 submit three trade every=60000 norely misfire=3 -> accepted 4.0
at 0 submit counted trade every=60000 norely misfire=once count=10 -> accepted 5.0
at 0 tick + dispatch w1 9 -> ok, push 6.0 of 2.0/0 due 0, push 6.1 of 3.0/0 due 0, push 6.2 of 4.0/0 due 0, push 6.3 of 5.0/0 due 0, ready trade
at 100 complete 6.0 success , 6.1 success , 6.2 success , 6.3 success -> accepted, accepted, accepted, accepted, 2.0/0 succeeded, 3.0/0 succeeded, 4.0/0 succeeded, 5.0/0 succeeded
at 3600000 tick + dispatch w1 50 -> ok, push 8.0 of 5.0/2 due 540000, push 8.1 of 4.0/2 due 3360000, push 8.2 of 4.0/3 due 3420000, push 8.3 of 2.0/2 due 3480000, push 8.4 of 4.0/4 due 3480000, push 8.5 of 2.0/3 due 3540000, push 8.6 of 3.0/2 due 3540000, push 8.7 of 4.0/5 due 3540000, push 8.8 of 2.0/4 due 3600000, push 8.9 of 3.0/3 due 3600000, push 8.10 of 4.0/6 due 3600000, ready trade
show job 2.0
    | once rev 1 lives
    | settled 3600000 live 3 next 3660000 every 60s remaining None
    | 2.0/2 due 3480000 rev 1 executing 8.3 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/3 due 3540000 rev 1 executing 8.5 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/4 due 3600000 rev 1 executing 8.8 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 0 rev 1 succeeded at 100 executions 1 retries 0 reclaims 0 [6.0 EXECUTE_SUCCESS]
    | 2.0/1 due 60000 rev 1 skipped Misfired 57 to 3420000 at 3600000
show job 3.0
    | skip rev 1 lives
    | settled 3600000 live 2 next 3660000 every 60s remaining None
    | 3.0/2 due 3540000 rev 1 executing 8.6 on w1 1.0 executions 1 retries 0 reclaims 0
    | 3.0/3 due 3600000 rev 1 executing 8.9 on w1 1.0 executions 1 retries 0 reclaims 0
    | 3.0/0 due 0 rev 1 succeeded at 100 executions 1 retries 0 reclaims 0 [6.1 EXECUTE_SUCCESS]
    | 3.0/1 due 60000 rev 1 skipped Misfired 58 to 3480000 at 3600000
show job 4.0
    | three rev 1 lives
    | settled 3600000 live 5 next 3660000 every 60s remaining None
    | 4.0/2 due 3360000 rev 1 executing 8.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 4.0/3 due 3420000 rev 1 executing 8.2 on w1 1.0 executions 1 retries 0 reclaims 0
    | 4.0/4 due 3480000 rev 1 executing 8.4 on w1 1.0 executions 1 retries 0 reclaims 0
    | 4.0/5 due 3540000 rev 1 executing 8.7 on w1 1.0 executions 1 retries 0 reclaims 0
    | 4.0/6 due 3600000 rev 1 executing 8.10 on w1 1.0 executions 1 retries 0 reclaims 0
    | 4.0/0 due 0 rev 1 succeeded at 100 executions 1 retries 0 reclaims 0 [6.2 EXECUTE_SUCCESS]
    | 4.0/1 due 60000 rev 1 skipped Misfired 55 to 3300000 at 3600000
show job 5.0
    | counted rev 1 lives
    | settled 540000 live 1 next 600000 every 60s remaining Some(0)
    | 5.0/2 due 540000 rev 1 executing 8.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 5.0/0 due 0 rev 1 succeeded at 100 executions 1 retries 0 reclaims 0 [6.3 EXECUTE_SUCCESS]
    | 5.0/1 due 60000 rev 1 skipped Misfired 8 to 480000 at 3600000
# What is late by no more than misfire_after simply runs, every one of it.
at 3600000 submit late trade every=10000 norely -> accepted 9.0
at 3650000 tick + dispatch w1 50 -> ok, push 10.0 of 9.0/0 due 3600000, push 10.1 of 9.0/1 due 3610000, push 10.2 of 9.0/2 due 3620000, push 10.3 of 9.0/3 due 3630000, push 10.4 of 9.0/4 due 3640000, push 10.5 of 9.0/5 due 3650000, ready trade
show job 9.0
    | late rev 1 lives
    | settled 3650000 live 6 next 3660000 every 10s remaining None
    | 9.0/0 due 3600000 rev 1 executing 10.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 9.0/1 due 3610000 rev 1 executing 10.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 9.0/2 due 3620000 rev 1 executing 10.2 on w1 1.0 executions 1 retries 0 reclaims 0
    | 9.0/3 due 3630000 rev 1 executing 10.3 on w1 1.0 executions 1 retries 0 reclaims 0
    | 9.0/4 due 3640000 rev 1 executing 10.4 on w1 1.0 executions 1 retries 0 reclaims 0
    | 9.0/5 due 3650000 rev 1 executing 10.5 on w1 1.0 executions 1 retries 0 reclaims 0
# Catch up with a planned job: the look-ahead is enough.
at 4000000 submit cron trade cron norely misfire=2 misfire_after=1000 -> accepted 11.0, needs plan 11.0
at 4000000 plan 11.0 after=4000000 instants=4001000,4002000,4003000,4004000,4100000 -> ok
at 4050000 tick + dispatch w1 50 -> ok, push 13.0 of 4.0/8 due 3840000, push 13.1 of 4.0/9 due 3900000, push 13.2 of 2.0/6 due 3960000, push 13.3 of 4.0/10 due 3960000, push 13.4 of 9.0/7 due 3980000, push 13.5 of 9.0/8 due 3990000, push 13.6 of 9.0/9 due 4000000, push 13.7 of 11.0/1 due 4003000, push 13.8 of 11.0/2 due 4004000, push 13.9 of 9.0/10 due 4010000, push 13.10 of 2.0/7 due 4020000, push 13.11 of 3.0/5 due 4020000, push 13.12 of 4.0/11 due 4020000, push 13.13 of 9.0/11 due 4020000, push 13.14 of 9.0/12 due 4030000, push 13.15 of 9.0/13 due 4040000, push 13.16 of 9.0/14 due 4050000, ready trade, needs plan 11.0
show job 11.0
    | cron rev 1 lives
    | settled 4004000 live 2 planned [4100000]
    | 11.0/1 due 4003000 rev 1 executing 13.7 on w1 1.0 executions 1 retries 0 reclaims 0
    | 11.0/2 due 4004000 rev 1 executing 13.8 on w1 1.0 executions 1 retries 0 reclaims 0
    | 11.0/0 due 4001000 rev 1 skipped Misfired 2 to 4002000 at 4050000
