# LTS's resubmit revived a paused job (#408). Here only a resume does.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit c trade cron , t trade at=5000 , x trade -> accepted 2.0, accepted 2.1, accepted 2.2, needs plan 2.0, ready trade
at 1000 dispatch w1 9 -> push 3.0 of 2.2/0 due 1000
at 1000 suspend trade/c + suspend trade/t + suspend trade/x -> SUSPENDED 2.0, SUSPENDED 2.1, SUSPENDED 2.2
at 2000 submit c trade cron , c trade cron reject , c trade cron replace payload=new -> exists 2.0, conflict 2.0, replaced 2.0 rev 2
at 2000 submit t trade replace , x trade replace payload=next -> replaced 2.1 rev 2, replaced 2.2 rev 2, 2.1/0 skipped Superseded 1 to 5000
show plans
    | []
show job 2.0
    | c rev 2 lives, suspended since 1000
    | settled 2000 live 0 planned [] suspended
show job 2.1
    | t rev 2 lives, suspended since 1000
    | 2.1/1 due 2000 rev 2 suspended executions 0 retries 0 reclaims 0
    | 2.1/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 2000 error "a newer revision of the job came"
show job 2.2
    | x rev 2 lives, suspended since 1000
    | settled 2000 live 1 stopped until restart suspended
    | 2.2/0 due 1000 rev 1 executing 3.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
at 2000 dispatch w1 9 -> nothing
# The next revision starts when the older one has ended, and is held.
at 3000 complete 3.0 success -> accepted, 2.2/0 succeeded
show job 2.2
    | x rev 2 lives, suspended since 1000
    | 2.2/1 due 3000 rev 2 suspended executions 0 retries 0 reclaims 0
    | 2.2/0 due 1000 rev 1 succeeded at 3000 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
at 3000 dispatch w1 9 -> nothing
# Another type: the same.
at 4000 submit t trade every=1000 replace -> replaced 2.1 rev 3, 2.1/1 skipped Superseded 1 to 2000
at 4000 submit c trade replace at=4500 -> replaced 2.0 rev 3
show job 2.0
    | c rev 3 lives, suspended since 1000
    | 2.0/0 due 4500 rev 3 suspended, waits until 4500 executions 0 retries 0 reclaims 0
show job 2.1
    | t rev 3 lives, suspended since 1000
    | settled 4000 live 0 next 4000 every 1s remaining None suspended
    | 2.1/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 2000 error "a newer revision of the job came"
    | 2.1/1 due 2000 rev 2 skipped Superseded 1 to 2000 at 4000 error "a newer revision of the job came"
at 6000 tick + dispatch w1 9 -> ok, nothing
at 6000 resume trade/c + resume trade/t + resume trade/x -> RESUMED 2.0, RESUMED 2.1, RESUMED 2.2, ready trade
at 6000 dispatch w1 9 -> push 14.0 of 2.2/1 due 3000 payload next, push 14.1 of 2.0/0 due 4500
show job 2.1
    | t rev 3 lives
    | settled 6000 live 0 next 7000 every 1s remaining None
    | 2.1/0 due 5000 rev 1 skipped Superseded 1 to 5000 at 2000 error "a newer revision of the job came"
    | 2.1/1 due 2000 rev 2 skipped Superseded 1 to 2000 at 4000 error "a newer revision of the job came"
    | 2.1/2 due 4000 rev 3 skipped Suspended 3 to 6000 at 6000
# Suspended, cancelled, submitted anew: another job, not suspended.
at 7000 suspend trade/t + cancel trade/t -> SUSPENDED 2.1, CANCELLED 2.1, ready trade, 2.1/3 skipped Suspended 1 to 7000, 2.1 ends
at 7000 submit t trade + dispatch w1 9 -> accepted 16.0, push 16.1 of 16.0/0 due 7000, ready trade
