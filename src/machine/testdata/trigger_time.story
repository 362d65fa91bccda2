# A job for later waits, and nothing is dispatched before it is due.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit t1 trade at=5000 -> accepted 2.0
show next
    | Some(5000)
at 4999 tick + dispatch w1 4 -> ok, nothing
at 5000 tick + dispatch w1 4 -> ok, push 4.0 of 2.0/0 due 5000, ready trade
at 5100 complete 4.0 success -> accepted, 2.0/0 succeeded

# Cluster time never goes back: an entry of a slow clock changes nothing.
at 5100 submit t2 trade at=6000 -> accepted 6.0
at 6000 tick -> ok, ready trade
at 2000 submit t3 trade at=6000 -> accepted 8.0, ready trade
at 2000 dispatch w1 4 -> push 9.0 of 6.0/0 due 6000, push 9.1 of 8.0/0 due 6000
show job 8.0
    | t3 rev 1 lives
    | 8.0/0 due 6000 rev 1 executing 9.1 on w1 1.0 executions 1 retries 0 reclaims 0

# A trigger time in the past is now.
at 7000 submit t4 trade at=1 + dispatch w1 4 -> accepted 10.0, push 10.1 of 10.0/0 due 7000, ready trade
show job 10.0
    | t4 rev 1 lives
    | 10.0/0 due 7000 rev 1 executing 10.1 on w1 1.0 executions 1 retries 0 reclaims 0

# What ripens too late is skipped if the misfire policy says so; by default it runs, late.
at 8000 submit t5 trade at=9000 misfire=skip misfire_after=500 , t6 trade at=9000 misfire_after=500 , t7 trade at=9000 misfire=skip misfire_after=500 -> accepted 11.0, accepted 11.1, accepted 11.2
at 9500 tick -> ok, ready trade
at 9500 submit t8 trade at=9600 misfire=skip misfire_after=500 -> accepted 13.0
at 20000 tick -> ok, 13.0/0 skipped Misfired 1 to 9600
show job 13.0
    | t8 rev 1 has ended
    | 13.0/0 due 9600 rev 1 skipped Misfired 1 to 9600 at 20000 error "it was due too long ago"
