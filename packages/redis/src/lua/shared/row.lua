-- A row: all counters of one scope of one subject, and the limits they belong to, in one string.
--
--   'h3' mark names ';' numbers tail       numbers are little-endian doubles
--   mark     8 bytes: hash of the limits, so that a row that was written under other ones is noticed
--   names    8 bytes a column: b(ucket) r(olling) c(alendar) s(lots), then 7 of the hash of the limit's name and kind
--   numbers  the row's birth, then for each column, from index `o` of the row
--              b  capacity less what is lent, rate per ms, level, its instant, units refunded so far; generation, and units lent
--                 in it and in the one before (see bucket)
--              r  capacity, period, total, number of entries in the tail, index of the newest sub-bucket, and units in it
--              c  capacity, start and end of the window, units used
--              s  capacity; columns of slots come last
--            and, where there are slots, the number of holders
--   tail     the holders: node, birth, expiry, slots held of each column of slots
--            then the entries of each rolling window but its newest: index and units, oldest first
--
-- Columns that another process's limits have and the caller's have not are kept behind (see adopt).
--
-- A bare row is its numbers and holders: all that has to be known of one that was charged and has room left.
--
-- A plan tells a script of a row, in four arguments: head, all before the numbers; two bytes a column, its kind and a flag;
-- format of the numbers; and a list in JSON, read only when there is no such row yet:
--   b  capacity, rate    r  capacity, period    c  capacity, start, end, end of the next window    s  capacity

-- How far ahead of the clock a counter's own instant may lie before the clock is taken to have been set back, ms.
local skew = 5000
-- For how long a row outlives its meaning, and for how long Redis keeps anything, ms.
local grace, longest = 60000, 315360000000
--@include bucket
