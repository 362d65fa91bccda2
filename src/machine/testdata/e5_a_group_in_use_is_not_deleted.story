# E5: LTS dropped the waiting jobs of a group with it.
at 0 delete-group trade -> refused: no node group trade is known
at 0 submit a trade at=5000 , r trade every=1000 first=9000 -> accepted 2.0, accepted 2.1
show counts trade
    | GroupCounts { waiting: 1, ready: 0, executing: 0, suspended: 0, cron: 0, repeat: 1, ending: 0 }
at 0 delete-group trade -> refused: node group trade is in use: 2 live jobs, 0 finished runs kept, 0 TaskTrackers online
at 0 online w1 trade 4 -> session 4.0
at 10 cancel trade/a + cancel trade/r -> CANCELLED 2.0, CANCELLED 2.1, 2.0/0 cancelled, 2.1 ends
at 20 delete-group trade -> refused: node group trade is in use: 0 live jobs, 1 finished runs kept, 1 TaskTrackers online
at 30 offline w1 left -> ok
# What has ended is kept for a while, and the group with it.
at 40 delete-group trade -> refused: node group trade is in use: 0 live jobs, 1 finished runs kept, 0 TaskTrackers online
at 40 limits kept=1000 -> ok
at 5000 expire -> ok
at 5000 delete-group trade -> ok
show rows
    | LogAge 2, NodeEvent 2
at 5000 delete-group trade -> refused: no node group trade is known
# A group of which only a TaskTracker is known.
at 6000 online w2 empty 4 -> session 13.0
at 6000 delete-group empty -> refused: node group empty is in use: 0 live jobs, 0 finished runs kept, 1 TaskTrackers online
at 6000 offline w2 left -> ok
at 6000 delete-group empty -> ok
show trackers
# A submit makes it anew.
at 7000 submit a trade -> accepted 17.0, ready trade
show counts trade
    | GroupCounts { waiting: 0, ready: 1, executing: 0, suspended: 0, cron: 0, repeat: 0, ending: 0 }
