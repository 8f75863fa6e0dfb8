/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bootvm: a virtual machine in one sector, whose disk tells whether anything was lost.
 *
 * Eighteen times a second it adds one to a count, and writes that to its disk, 128 times in
 * one sector: first as the slot of that count, of which there are 1024, 4 KiB apart, then as
 * the last count.  Where there is a second disk, its last count follows.  It starts from the
 * last count that it finds, so that no shutdown sets it back, and notes that one as well.  The power button of ACPI
 * turns it off, unless it is deaf.  On the serial line it says S when it starts, E when its
 * disk fails, B at the button.
 *
 *	gcc -m32 -c -o bootvm.o bootvm.S
 *	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o bootvm.bin bootvm.o
 *
 * Written for SeaBIOS on QEMU's q35 and pc machines, where the registers of ACPI are at 0x600.
 */
#define LAST		64	/* the sector of the last count */
#define START		65	/* the sector of the count that it started from */
#define SLOTS		1024
#define FIRST_SLOT	128	/* its sector; the next one is eight further */
#define DEAF		445	/* the byte of this sector that is not zero in a deaf machine */

#define BUFFER		0x8000
#define READ		0x42
#define WRITE		0x43
#define SERIAL		0x3f8
#define PM1_STATUS	0x600
#define PM1_ENABLE	0x602
#define PM1_CONTROL	0x604
#define POWER_BUTTON	0x100
#define SLEEP_S5	0x2000

	.code16
	.text
	.globl	_start
_start:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$_start, %sp
	cld
	movb	%dl, drive
	movw	$PM1_ENABLE, %dx
	movw	$POWER_BUTTON, %ax
	outw	%ax, %dx
	movb	$'S', %al
	call	say

	movb	$READ, operation
	movl	$LAST, %eax
	call	transfer
	jc	failed
	movl	BUFFER, %eax
	movl	%eax, count
	movb	$WRITE, operation
	movl	$START, %eax
	call	transfer
	jc	failed

tick:
	incl	count
	movl	count, %eax
	movw	$BUFFER, %di
	movw	$128, %cx
	rep stosl

	andl	$(SLOTS - 1), %eax
	shll	$3, %eax
	addl	$FIRST_SLOT, %eax
	call	transfer
	jc	failed
	movl	$LAST, %eax
	call	transfer
	jc	failed
	incb	drive
	movl	$LAST, %eax
	call	transfer
	decb	drive

button:
	movw	$PM1_STATUS, %dx
	inw	%dx, %ax
	testw	$POWER_BUTTON, %ax
	jz	pause
	cmpb	$0, deaf
	je	off
pause:
	sti
	hlt
	jmp	tick

failed:
	movb	$'E', %al
	call	say
	sti
	hlt
	jmp	button

off:
	movb	$'B', %al
	call	say
	movw	$PM1_CONTROL, %dx
	movw	$SLEEP_S5, %ax
	outw	%ax, %dx
	cli
1:	hlt
	jmp	1b

/* Say what is in %al. */
say:
	movw	$SERIAL, %dx
	outb	%al, %dx
	ret

/* Read or write the sector that %eax tells; the carry flag says that it failed. */
transfer:
	movl	%eax, sector
	movw	$1, sectors
	movb	operation, %ah
	movb	$0, %al
	movb	drive, %dl
	movw	$packet, %si
	int	$0x13
	ret

	.balign	4
packet:
	.byte	16, 0
sectors:
	.word	1
	.word	BUFFER, 0
sector:
	.long	0, 0
count:
	.long	0
drive:
	.byte	0
operation:
	.byte	0

	.org	DEAF
deaf:
	.byte	0
	.org	510
	.word	0xaa55
