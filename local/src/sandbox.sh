# Runs once inside the cluster's new namespaces: nothing here is seen from outside, and all of it ends with them.
# Arguments: the state directory, the node's address with its prefix length, the cluster's name.
set -eu
state=$1 address=$2 name=$3

hostname "$name"
# The kubelet's mounts must reach the containers that containerd starts, and nobody else.
mount --make-rshared /
# Sockets, locks, named network namespaces, address leases: gone with the namespaces.
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$state/log" /var/log
mount --bind "$state/kubelet" /var/lib/kubelet
mount --bind "$state/cni" /var/lib/cni
# These settings belong to the whole machine, and the kubelet insists on its own: it gets copies to write to.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  mkdir -p "/run/sysctl/${setting%/*}"
  cat "/proc/sys/$setting" > "/run/sysctl/$setting"
  mount --bind "/run/sysctl/$setting" "/proc/sys/$setting"
done

ip link set lo up
ip link add fp0 type bridge
ip address add "$address" dev fp0
ip link set fp0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
