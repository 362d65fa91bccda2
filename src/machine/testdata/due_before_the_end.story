# An instant that is due when its job is cancelled or replaced gets its fate first, though no tick has ripened it.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit r trade every=1000 norely -> accepted 2.0
at 1000 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 1000, ready trade
at 3500 cancel trade/r -> CANCEL_REQUESTED 2.0, ready trade, terminate 3.0 on 1.0, 2.0/1 cancelled, 2.0/2 cancelled
show job 2.0
    | r rev 1 lives
    | settled 3000 live 1 stopped
    | 2.0/0 due 1000 rev 1 executing 3.0 on w1 1.0 executions 1 retries 0 reclaims 0 stop Cancel
    | 2.0/1 due 2000 rev 1 cancelled at 3500 error "cancelled"
    | 2.0/2 due 3000 rev 1 cancelled at 3500 error "cancelled"
# A job that relies on its previous cycle skips what fell due meanwhile.
at 4000 submit s trade every=1000 -> accepted 5.0
at 4000 tick + dispatch w1 9 -> ok, push 6.0 of 5.0/0 due 4000, ready trade
at 6000 cancel trade/s -> CANCEL_REQUESTED 5.0, terminate 6.0 on 1.0
show job 5.0
    | s rev 1 lives
    | settled 6000 live 1 stopped
    | 5.0/0 due 4000 rev 1 executing 6.0 on w1 1.0 executions 1 retries 0 reclaims 0 stop Cancel
    | 5.0/1 due 5000 rev 1 skipped PreviousStillLive 2 to 6000 at 6000
# The last instant falls due, is skipped, and with it the job has ended before the cancel.
at 7000 submit u trade every=1000 count=1 deadline=100 -> accepted 8.0
at 9000 cancel trade/u -> ALREADY_FINISHED 8.0 skipped DeadlinePassed 1 to 7000, 8.0 ends
show job 8.0
    | u rev 1 has ended
    | 8.0/0 due 7000 rev 1 skipped DeadlinePassed 1 to 7000 at 9000
# Replaced: the old revision's due instant is superseded, the new one begins.
at 10000 submit c trade cron -> accepted 10.0, needs plan 10.0
at 10000 plan 10.0 after=10000 instants=11000,12000 -> ok
at 11000 submit c trade every=5000 replace -> replaced 10.0 rev 2, ready trade, 10.0/0 skipped Superseded 1 to 11000
show job 10.0
    | c rev 2 lives
    | settled 11000 live 0 next 11000 every 5s remaining None
    | 10.0/0 due 11000 rev 1 skipped Superseded 1 to 11000 at 11000 error "a newer revision of the job came"
at 11000 cancel trade/c -> CANCELLED 10.0, ready trade, 10.0/1 cancelled, 10.0 ends
# The misfire policy waits for a plan that does not come any more: what would have run is cancelled.
at 20000 submit d trade cron misfire_after=500 -> accepted 14.0, needs plan 14.0
at 20000 plan 14.0 after=20000 instants=21000,22000,23000 -> ok
at 90000 tick -> ok, needs plan 14.0
at 90000 cancel trade/d -> CANCELLED 14.0, ready trade, 14.0/1 cancelled, 14.0 ends
show job 14.0
    | d rev 1 has ended
    | 14.0/0 due 21000 rev 1 skipped Misfired 2 to 22000 at 90000
    | 14.0/1 due 23000 rev 1 cancelled at 90000 error "cancelled"
