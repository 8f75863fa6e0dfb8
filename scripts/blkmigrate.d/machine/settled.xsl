<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A domain without what libvirt adds to its definition while the machine runs, and without what
     changes by itself then: what is left of a running machine is what its definition says, unless
     somebody has changed one of them and not the other. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <!-- The model of a CPU that libvirt chooses is another one while it runs; on_poweroff is changed for
       one shutdown. -->
  <xsl:template match="/domain/@id | /domain/resource | /domain/seclabel | /domain/currentMemory
      | /domain/cpu | /domain/on_poweroff | /domain/metadata
      | /domain/os/@firmware | /domain/os/firmware | /domain/os/loader | /domain/os/nvram"/>

  <xsl:template match="alias | address | backingStore | source/@index | source/seclabel | source/privateData"/>

  <!-- What is in a drive is changed by the guest, too. -->
  <xsl:template match="disk/mirror | disk/driver/@*[name() != 'type']
      | disk[@device = 'cdrom' or @device = 'floppy']/@type
      | disk[@device = 'cdrom' or @device = 'floppy']/source
      | disk[@device = 'cdrom' or @device = 'floppy']/driver
      | disk/target/@tray"/>

  <!-- A network of libvirt may be of another type while it is in use. -->
  <xsl:template match="interface/@type | interface/target | interface/driver | interface/backend
      | interface/virtualport | interface/source/@*[../@network and name() != 'network']"/>

  <xsl:template match="devices/controller | devices/graphics | devices/video | devices/console
      | devices/audio | devices/memballoon | devices/hub | devices/emulator | serial/source | serial/@tty
      | parallel/source | channel/source | channel/target/@state | rng/backend | tpm/backend
      | hostdev/@managed | vsock/cid"/>
</xsl:stylesheet>
