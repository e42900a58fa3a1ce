#!/bin/sh
# The first process of the VM: mounts, loopback, then the command that the host put into /run/vm/command.
#
# ttyS0 is the kernel's console and tells of trouble; ttyS1 carries the command's input and output;
# ttyS2 is a file on the host that receives one tar archive with the exit status and the command's files.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM="${TERM:-linux}" PUREBPF_VM=1 PYTHONPATH=/src:/site PYTHONDONTWRITEBYTECODE=1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run/vm/out /run/netns
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
hostname purebpf-vm
ip link set lo up
cd /src

# held open to the end: closing a serial line resets its FIFO, and the last bytes of the output with it
exec 3<> /dev/ttyS1 4<> /dev/ttyS2
stty -F /dev/ttyS2 raw -echo
if [ -e /run/vm/interactive ]; then
    stty -F /dev/ttyS1 sane
    # a session of its own with ttyS1 as controlling terminal: without it the shell has no job control and no ^C
    setsid -c sh /run/vm/command < /dev/ttyS1 > /dev/ttyS1 2>&1 3>&- 4>&-
else
    stty -F /dev/ttyS1 raw -echo
    sh /run/vm/command <&3 >&3 2>&1 3>&- 4>&-
fi
echo $? > /run/vm/out/status
tar -c -C /run/vm/out . >&4
python3 -I -S -c 'import termios; termios.tcdrain(3); termios.tcdrain(4)'
reboot -f
