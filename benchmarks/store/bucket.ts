/** The floor of a decision in Redis: one token bucket, by the server's clock, and nothing else. No refund, no second limit, no reason. */
export const bucketScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local capacity, rate, units = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local level, at = capacity, now
local kept = redis.call('GET', KEYS[1])
if kept then
  level, at = struct.unpack('<dd', kept)
  level = math.min(capacity, level + (now - at) * rate)
end
if level < units then return 0 end
redis.call('SET', KEYS[1], struct.pack('<dd', level - units, now), 'PX', 86400000)
return 1
`;
